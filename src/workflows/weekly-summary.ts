import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'weekly_summary',
  version: 1,
  title: 'Weekly summary',
  summary: 'Says each Sunday what the week brought: incidents, heals, copies and their proofs, runs, alerts, uptime.',
  priority: 'P3',
  ifMissed: 'nobody sees what comes back week after week',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 8 * * 0', catchUp: 'latest', overlap: 'skip', jitter: '60s' } }],
  steps: [{ id: 'summarize', title: 'Summarize the week', automation: 'summarize-week' }],
});
