import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'api_tests',
  version: 1,
  title: 'Test the APIs',
  summary: 'Asks the APIs of your services what their contracts promise.',
  priority: 'P2',
  ifMissed: 'an API that answers wrongly is found out by its users',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 * * * *', catchUp: 'skip', overlap: 'skip', jitter: '60s' } }],
  steps: [{ id: 'test', title: 'Ask the APIs', automation: 'test-apis' }],
});
