import type { Log } from '../../core/log.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';

/** What a run takes away from under those who use it, for as long as it runs. */
export interface WorkOfRun {
  /** Ids of resources. */
  readonly resources: readonly string[];
  readonly reason: string;
  readonly actor: string;
}

/** After this long somebody hears of it even where the run goes on. */
const AT_MOST_MS = 6 * 3_600_000;

/** Opens a window for each run of this node that needs one, and closes it with the run. */
export function windowsOfRuns({
  events,
  maintenance,
  workOf,
  node,
  log,
}: {
  readonly events: Pick<Store['events'], 'consume'>;
  readonly maintenance: Pick<Maintenance, 'openFor' | 'close'>;
  readonly workOf: (runId: string) => Promise<WorkOfRun | undefined>;
  readonly node: string;
  readonly log: Log;
}): EventConsumer {
  return events.consume({
    consumer: `maintenance-of-runs:${node}`,
    types: ['run.started', 'run.finished'],
    async handle({ type, node: where, data }) {
      const { runId, dryRun } = data;
      if (where !== node || typeof runId !== 'string' || dryRun === true) return;
      if (type === 'run.finished') return await maintenance.close(runId);
      const work = await workOf(runId);
      if (!work || work.resources.length === 0) return;
      const { id } = await maintenance.openFor({ ...work, owner: runId, atMostMs: AT_MOST_MS });
      log.info('maintenance while a run works', { runId, window: id, resources: work.resources.length });
    },
  });
}
