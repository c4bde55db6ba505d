import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'daily_health_check',
  version: 1,
  title: 'Daily health report',
  summary: 'Looks at every machine and service once a day and writes down how they are.',
  priority: 'P1',
  ifMissed: 'what gets slowly worse is not seen before it breaks',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 6 * * *', catchUp: 'latest', overlap: 'skip', jitter: '60s' } }],
  steps: [{ id: 'report', title: 'Write the report of the day', automation: 'daily-health-check', everyNode: true }],
});
