import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'health_check',
  version: 1,
  title: 'Health check',
  summary: 'Looks at every service of each node, twice, and says what is wrong and why.',
  priority: 'P0',
  ifMissed: 'a fault that the probes are blind to stays unseen',
  origin: 'core',
  triggers: [{ kind: 'schedule', schedule: { cron: '*/5 * * * *', catchUp: 'skip', overlap: 'skip' } }],
  steps: [
    {
      id: 'services',
      title: 'Look at every service',
      automation: 'monitor-service',
      everyNode: true,
      input: () => ({ service: 'all' }),
    },
  ],
});
