import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'auto_optimize',
  version: 1,
  title: 'Optimize',
  summary: 'Keeps databases, sessions and caches, and storage in shape.',
  priority: 'P1',
  ifMissed: 'queries get slower and the disk fills up',
  origin: 'core',
  triggers: [{ kind: 'schedule', schedule: { cron: '0 2 * * *', catchUp: 'skip', overlap: 'skip', jitter: '60s' } }],
  steps: [
    {
      id: 'database',
      title: 'Vacuum and analyze the databases',
      automation: 'maintain-database',
      // What takes long has its night; what another schedule did today is not done again.
      input: { optimize: 'never', analyze_slow: false },
      onFailure: 'continue',
    },
    {
      id: 'sessions',
      title: 'Remove expired sessions from the tables that the configuration names',
      automation: 'clear-sessions',
      onFailure: 'continue',
    },
    {
      id: 'caches',
      title: 'Clear caches of packages and builds',
      automation: 'clear-caches',
      everyNode: true,
      onFailure: 'continue',
    },
    {
      id: 'storage',
      title: 'Free storage that nothing needs',
      automation: 'free-disk-space',
      everyNode: true,
      onFailure: 'continue',
    },
  ],
});
