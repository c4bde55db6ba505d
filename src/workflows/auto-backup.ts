import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'auto_backup',
  aliases: ['backup_postgres'],
  version: 1,
  title: 'Back up',
  summary: 'Backs up every database and file set, proves the copies, then removes those that retention lets go.',
  priority: 'P0',
  ifMissed: 'data that is lost stays lost',
  origin: 'core',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 */6 * * *', catchUp: 'latest', overlap: 'skip' } }],
  steps: [
    {
      id: 'backup',
      title: 'Back up what the sources name',
      automation: 'backup',
      // One source that cannot be read, or one place that does not answer, takes nothing from the others. The chain failed all the same.
      onFailure: 'continue',
      // Volumes and file trees have their turn with the full backup, unless somebody asks for them.
      input: ({ context: { targets, repositories } }) => ({
        ...(Array.isArray(targets) ? { targets } : { scope: 'databases' }),
        ...(Array.isArray(repositories) && { repositories }),
      }),
    },
    {
      id: 'verify',
      title: 'Prove the new copies',
      automation: 'verify-backups',
      onFailure: 'continue',
      input: ({ context: { targets, test_restore } }) => ({
        restore: test_restore === true ? 'all' : 'one',
        ...(Array.isArray(targets) && { targets }),
      }),
      skip: ({ context: { verify } }) => (verify === false ? 'whoever started it wants no verification' : undefined),
    },
    // Decides for each source and place by itself: nothing old goes before the new is good.
    {
      id: 'prune',
      title: 'Remove copies that retention lets go',
      automation: 'prune-backups',
      input: ({ context: { targets, rotate } }) => ({
        ...(Array.isArray(targets) && { targets }),
        ...(typeof rotate === 'string' && { keep: rotate }),
      }),
    },
  ],
});
