import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'agent_restart_monitor',
  version: 1,
  title: 'Watch the agents',
  summary: 'Says every five minutes how the agents are, how often they were restarted, and which need a person.',
  priority: 'P1',
  ifMissed: 'an agent that is restarted again and again goes unnoticed',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '*/5 * * * *', catchUp: 'skip', overlap: 'skip', jitter: '30s' } }],
  steps: [{ id: 'agents', title: 'Look at the agents', automation: 'monitor-agents', everyNode: true }],
});
