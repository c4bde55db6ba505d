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
    { id: 'backup', title: 'Back up databases, volumes and configuration', automation: 'backup' },
    { id: 'verify', title: 'Prove the new copies', automation: 'verify-backups' },
    // Stops before it where a copy is not what it should be: nothing old goes before the new is good.
    { id: 'prune', title: 'Remove copies that retention lets go', automation: 'prune-backups' },
  ],
});
