import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'database_maintenance',
  version: 1,
  title: 'Database maintenance',
  summary: 'Vacuums and analyzes the databases once the full backup has really backed them up.',
  priority: 'P1',
  ifMissed: 'queries get slower',
  origin: 'system',
  triggers: [
    {
      kind: 'event',
      event: 'workflow.finished',
      where: [
        { from: 'subject.id', equals: 'full_backup' },
        { from: 'data.status', equals: 'succeeded' },
        // One that this version skips has backed nothing up.
        { from: 'data.steps.0.status', equals: 'succeeded' },
      ],
    },
  ],
  steps: [
    {
      id: 'maintain',
      title: 'Vacuum and analyze the databases, and look at what is slow',
      automation: 'maintain-database',
    },
  ],
});
