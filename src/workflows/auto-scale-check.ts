import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'auto_scale_check',
  version: 1,
  title: 'Scale check',
  summary: 'Looks at the load again, should the scaler itself have stood still.',
  priority: 'P1',
  ifMissed: 'too few or too many nodes serve the load',
  origin: 'core',
  triggers: [{ kind: 'schedule', schedule: { cron: '*/10 * * * *', catchUp: 'skip', overlap: 'skip', jitter: '30s' } }],
  steps: [{ id: 'evaluate', title: 'Compare load and capacity', automation: 'evaluate-scaling' }],
});
