import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'log_weekly_summary',
  version: 1,
  title: 'Weekly summary of the logs',
  summary: 'Says what the logs of the week had most, and what was new in them.',
  priority: 'P3',
  ifMissed: 'nobody reads the logs',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 8 * * 0', catchUp: 'latest', overlap: 'skip', jitter: '60s' } }],
  steps: [{ id: 'summarize', title: 'Summarize the logs of the week', automation: 'summarize-logs' }],
});
