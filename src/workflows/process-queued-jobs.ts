import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'process_queued_jobs',
  version: 1,
  title: 'Process what waits',
  summary: 'Begins what was asked for and whose beginning was missed, should the queue itself have stood still.',
  priority: 'P1',
  ifMissed: 'jobs pile up',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '*/15 * * * *', catchUp: 'skip', overlap: 'skip' } }],
  steps: [{ id: 'sweep', title: 'Begin what waits', automation: 'process-queued-jobs', everyNode: true }],
});
