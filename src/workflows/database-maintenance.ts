import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'database_maintenance',
  version: 1,
  title: 'Database maintenance',
  summary: 'Vacuums and analyzes the databases that the full backup has really backed up.',
  priority: 'P1',
  ifMissed: 'queries get slower',
  origin: 'system',
  triggers: [
    {
      kind: 'event',
      event: 'workflow.finished',
      where: [
        { from: 'subject.id', equals: 'full_backup' },
        // One that was skipped or canceled has backed nothing up. Where it failed for some sources, those wait and the others do not.
        { from: 'data.steps.0.status', in: ['succeeded', 'failed'] },
        { from: 'data.status', in: ['succeeded', 'failed'] },
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
