import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'log_rotation_cleanup',
  version: 1,
  title: 'Rotate logs',
  summary: 'Rotates logs, archives what is a week old and removes archives that retention lets go.',
  priority: 'P1',
  ifMissed: 'logs fill the disk',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 2 * * *', catchUp: 'skip', overlap: 'skip', jitter: '60s' } }],
  steps: [{ id: 'rotate', title: 'Rotate and archive', automation: 'rotate-logs', everyNode: true }],
});
