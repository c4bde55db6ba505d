import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'full_backup',
  version: 1,
  title: 'Full backup',
  summary: 'Backs up databases, volumes and configuration, also to the remote repository, and proves the copies.',
  priority: 'P0',
  ifMissed: 'data that is lost stays lost',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 3 * * *', catchUp: 'latest', overlap: 'skip' } }],
  steps: [
    // One source that cannot be read, or one place that does not answer, takes nothing from the others. The chain failed all the same.
    {
      id: 'backup',
      title: 'Back up databases, volumes and configuration',
      automation: 'backup',
      onFailure: 'continue',
    },
    { id: 'verify', title: 'Prove the new copies', automation: 'verify-backups', onFailure: 'continue' },
    // Decides for each source and place by itself: nothing old goes before the new is good.
    { id: 'prune', title: 'Remove copies that retention lets go', automation: 'prune-backups' },
  ],
});
