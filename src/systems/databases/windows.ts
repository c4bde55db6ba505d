import { systemActor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { SystemJob } from '../../core/schedule.ts';
import type { DatabasesDeps } from './deps.ts';
import { databaseSources } from './watch.ts';

/** A window that no schedule meets would never be used: in it a maintenance is begun, once a day whatever windows there are. */
export function databaseWindows(deps: DatabasesDeps): SystemJob {
  const { windows, runs, node, log } = deps;
  return {
    name: 'database-windows',
    summary: 'Begins a maintenance of the databases in a window of the configuration that no workflow meets.',
    schedule: { every: '1m', jitter: '10s', overlap: 'skip', catchUp: 'skip' },
    async run({ now }) {
      const window = windows.open(now);
      if (!window || windows.metBy(window) || databaseSources(deps).length === 0) return;
      const until = window.until.toISOString().slice(0, 16).replace('T', ' ');
      try {
        await runs.start({
          automation: 'maintain-database',
          input: {},
          trigger: 'schedule',
          actor: systemActor('databases'),
          reason: `databases.windows: what locks may be done until ${until} UTC`,
          idempotencyKey: `database-window:${node.id}:${window.from.toISOString().slice(0, 10)}`,
          place: { node: node.id },
        });
      } catch (thrown) {
        const { code, message } = StewardError.from(thrown);
        // It is tried again with the next look, for as long as the window is open.
        if (code !== 'STEWARD_PAUSED') log.warn('no maintenance began in its window', { reason: message });
      }
    },
  };
}
