import type { ScanRecord } from '../../core/inventory-writer.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { RecipesPort } from '../../core/ports/recipes.ts';
import type { Connection } from '../../core/ports/sockets.ts';
import type { System } from '../../core/system.ts';
import { StewardError } from '../../core/errors.ts';
import { type DurationText, ms } from '../../core/duration.ts';
import { discoveryOperations } from './operations.ts';
import { listeningText, type ScanDeps, type ScanResult, scan } from './scan.ts';
import { callers, directoryOf, edgesFromConnections } from './topology.ts';

export interface DiscoveryDeps extends ScanDeps {
  readonly inventory: Inventory;
  /** What is kept to start a bare process again: for showing. */
  readonly kept: RecipesPort['kept'];
  /** Milliseconds between two looks at the connections; 0 looks only with a scan. */
  readonly sampleEveryMs?: number | undefined;
  /** Time between two scans; read when Steward starts. */
  readonly every?: DurationText | undefined;
}

export interface Discovery extends System {
  /** One scan at a time: a second caller gets the result of the one that runs. */
  scan(trigger: ScanRecord['trigger'], signal?: AbortSignal): Promise<ScanRecord>;
  /** Between scans: who is connected to whom, and a scan where something began or ceased to listen. */
  sample(): Promise<void>;
}

/** Connections of a few seconds and restarts fall between two scans, so sockets alone are looked at more often. */
const SAMPLE_EVERY_MS = 20_000;
/** An edge that was just written needs no second row for the same minute. */
const REFRESH_EDGE_MS = ms('2m');

export function createDiscovery(deps: DiscoveryDeps): Discovery {
  const { log, now, writer } = deps;
  const stopping = new AbortController();
  const written = new Map<string, number>();
  let running: Promise<ScanResult> | undefined;
  let last: ScanResult | undefined;
  let unsettled: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let sampling: Promise<void> = Promise.resolve();

  async function runScan(trigger: ScanRecord['trigger'], signal: AbortSignal): Promise<ScanRecord> {
    running ??= scan(deps, trigger, AbortSignal.any([signal, stopping.signal])).finally(() => {
      running = undefined;
    });
    last = await running;
    const { services, found, changed, gone, durationMs } = last.record;
    log.info('discovery scan finished', { services, found, changed, gone, durationMs });
    return last.record;
  }

  async function sample(): Promise<void> {
    if (!last) return;
    const [connections, listeners] = await Promise.all([
      deps.ports.sockets.connections({ recent: true }),
      deps.ports.sockets.listeners({ recent: true }),
    ]);
    if (changed(last, listeningText(listeners))) await runScan('change', stopping.signal);
    await writeEdges(last, callers(connections, listeners));
  }

  /** Seen twice in a row: what listens for a moment only is not worth a scan. */
  function changed({ listening }: ScanResult, text: string): boolean {
    const settled = text !== listening && text === unsettled;
    unsettled = text;
    return settled;
  }

  async function writeEdges(known: ScanResult, connections: readonly Connection[]): Promise<void> {
    const at = now();
    const { resources, containers } = known;
    const self = new Set(deps.self.pids());
    let { directory } = known;
    const strangers = connections.some(
      ({ remote, pids }) =>
        pids.length > 0 &&
        directory.ofAddress(remote.address, remote.port) &&
        !pids.some((pid) => self.has(pid) || directory.ofProcess(pid)),
    );
    // Workers come and go between two scans; their parents are known.
    if (strangers) directory = directoryOf(resources, await deps.ports.processes.list(), containers, known.own);
    const edges = edgesFromConnections(connections, directory, self, at);
    const fresh = edges.filter(({ from, to }) => at.getTime() - (written.get(`${from} ${to}`) ?? 0) >= REFRESH_EDGE_MS);
    if (fresh.length === 0) return;
    await writer.seeEdges(fresh);
    for (const { from, to } of fresh) written.set(`${from} ${to}`, at.getTime());
  }

  const guarded = async (work: () => Promise<unknown>, what: string): Promise<void> => {
    try {
      await work();
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (!stopping.signal.aborted)
        log.warn('discovery could not look', { what, code: error.code, reason: error.message });
    }
  };

  const discovery: Discovery = {
    name: 'discovery',
    operations: [],
    jobs: [
      {
        name: 'discovery',
        summary: 'Finds the services of this machine, and what talks to what.',
        schedule: { every: deps.every ?? '5m', overlap: 'skip', catchUp: 'skip' },
        async run({ signal }) {
          await runScan('schedule', signal);
        },
      },
    ],
    scan: async (trigger, signal = stopping.signal) => await runScan(trigger, signal),
    sample,
    async start() {
      sampling = guarded(async () => await runScan('start', stopping.signal), 'scan');
      const every = deps.sampleEveryMs ?? SAMPLE_EVERY_MS;
      if (every > 0) {
        timer = setInterval(() => {
          sampling = sampling.then(async () => await guarded(sample, 'connections'));
        }, every);
        timer.unref();
      }
    },
    async stop() {
      stopping.abort(new StewardError('CANCELED', 'Steward stops.'));
      clearInterval(timer);
      await sampling;
      await running?.catch(() => undefined);
    },
  };
  return { ...discovery, operations: discoveryOperations({ ...deps, discovery }) };
}
