import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'optimize_database',
  version: 1,
  title: 'Optimize the databases',
  summary: 'Does what takes long and is worth it once a week: rebuilds what is measured to be bloated.',
  priority: 'P1',
  ifMissed: 'tables and indexes grow beyond what is in them',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 0 * * 0', catchUp: 'skip', overlap: 'skip', jitter: '60s' } }],
  steps: [
    {
      id: 'optimize',
      title: 'Build anew what is bloated, and try indexes for what is slow',
      automation: 'maintain-database',
      input: { auto_index: true },
    },
  ],
});
