import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'cleanup_temp_files',
  version: 1,
  title: 'Clean up temporary files',
  summary:
    'Moves temporary files that nobody used for a week into quarantine, and proposes to remove what lay there for another.',
  priority: 'P1',
  ifMissed: 'the disk fills up',
  origin: 'system',
  triggers: [{ kind: 'schedule', schedule: { cron: '30 3 * * *', catchUp: 'skip', overlap: 'skip', jitter: '60s' } }],
  steps: [
    {
      id: 'quarantine',
      title: 'Move unused files aside',
      automation: 'clean-temp-files',
      everyNode: true,
      input: () => ({}),
      onFailure: 'continue',
    },
    {
      id: 'purge',
      title: 'Remove what was set aside long ago',
      automation: 'purge-quarantine',
      everyNode: true,
      input: () => ({}),
    },
  ],
});
