import { defineWorkflow } from '../core/workflow.ts';

/** By itself the reports system says every five minutes how the agents are; this looks at them now. */
export default defineWorkflow({
  name: 'agent_restart_monitor',
  version: 1,
  title: 'Look at the agents',
  summary:
    'Looks at every service and AI agent of each node now, and says of each that is down whether healing restarts it.',
  priority: 'P1',
  ifMissed: 'an agent that is restarted again and again goes unnoticed',
  origin: 'system',
  triggers: [],
  steps: [
    {
      id: 'agents',
      title: 'Look at every service and agent',
      automation: 'monitor-service',
      everyNode: true,
      input: { service: 'all', auto_restart: true },
    },
  ],
});
