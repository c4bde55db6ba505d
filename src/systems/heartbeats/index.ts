import { setTimeout as sleep } from 'node:timers/promises';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { Ping, PingTaker } from '../../core/heartbeat.ts';
import type { ConfiguredService } from '../../core/inventory-writer.ts';
import type { Log } from '../../core/log.ts';
import type { NextInstant } from '../../core/maintenance.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { createBook, hashOf } from './book.ts';
import { type ConfiguredHeartbeat, followConfiguration } from './configured.ts';
import { createEar } from './ear.ts';
import { type HeartbeatState, judge } from './judge.ts';
import { heartbeatOperations } from './operations.ts';
import { createPace } from './pace.ts';
import { heartbeatRetention } from './retention.ts';
import { factsOf, type HeartbeatRow, type HeartbeatTables } from './tables.ts';

export { heartbeatMigrations } from './tables.ts';
export type { ConfiguredHeartbeat } from './configured.ts';

export interface HeartbeatDeps {
  readonly store: Store;
  /** How the engine reads schedules. */
  readonly next: NextInstant;
  readonly configured: () => readonly ConfiguredHeartbeat[];
  /** What becomes of a name that nobody made before its first ping. */
  readonly provision: () => 'adopted' | 'pending' | 'off';
  readonly node: { readonly id: string };
  readonly now: () => Date;
  readonly log: Log;
  /** Where jobs reach Steward. */
  readonly baseUrl: () => string | undefined;
  /** There are others than before: the inventory should know. */
  readonly onChanged: () => void;
  /** It said something: how it is should be known at once. */
  readonly onPing: (name: string) => Promise<void>;
  readonly keepMs: () => number;
  readonly lookMs?: number;
}

export interface Heartbeats extends System, PingTaker {
  /** The jobs as services, for the inventory. */
  services(): ConfiguredService[];
  /** How the job is: the answer of a check of the kind push. */
  probe(target: TargetOf<'push'>): Promise<ProbeResult>;
}

/** By this label the inventory and monitoring know the resource of a heartbeat. */
export const HEARTBEAT_LABEL = 'steward.heartbeat';
const LOOK_MS = 5_000;

const SHOWN_AS: Readonly<Record<HeartbeatState, ProbeResult['state']>> = {
  up: 'up',
  started: 'up',
  // Within its grace nothing is wrong yet.
  late: 'up',
  'too-often': 'degraded',
  down: 'down',
  waiting: 'unknown',
  unknown: 'unknown',
  paused: 'stopped',
};

/** Jobs of others that tell of themselves: what they say is taken, and what they do not say is noticed. */
export function createHeartbeats(deps: HeartbeatDeps): Heartbeats {
  const { store, next, configured, node, now, log, onChanged, onPing, keepMs, lookMs = LOOK_MS } = deps;
  const book = createBook({ store, node: node.id, now });
  const ear = createEar({ db: store.db.withTables<HeartbeatTables>(), book, node: node.id, next, now });
  const pace = createPace({ perMinute: 60, now });
  let known = new Map<string, HeartbeatRow>();
  let stopping = new AbortController();
  let loop: Promise<void> | undefined;

  async function refresh(): Promise<void> {
    known = new Map((await book.all()).filter((row) => row.node === node.id).map((row) => [row.name, row]));
  }

  async function look(): Promise<void> {
    const excused = await ear.listen();
    if (excused > 0) log.warn('pings could not be heard for a while and are waited for anew', { heartbeats: excused });
    const changed = await followConfiguration({ book, configured: configured(), node: node.id, now });
    await refresh();
    if (changed) onChanged();
    for (const row of known.values()) {
      const { state, dueAt } = judge(factsOf(row), now(), next);
      if (state === 'late' && dueAt && (row.late_told_at === null || row.late_told_at < dueAt))
        await book.tellLate(row, dueAt);
    }
  }

  async function lookAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(lookMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await look().catch((thrown: unknown) => {
        const { code, message } = StewardError.from(thrown);
        if (!signal.aborted) log.warn('heartbeats could not be looked at', { code, reason: message });
      });
    }
  }

  async function taken(row: HeartbeatRow): Promise<void> {
    if (row.node === node.id) known.set(row.name, row);
    // How it is is known at once; that a look fails is no fault of the job.
    await onPing(row.name).catch((thrown: unknown) =>
      log.debug('heartbeat not looked at', { reason: StewardError.from(thrown).message }),
    );
  }

  return {
    name: 'heartbeats',
    operations: heartbeatOperations({
      ...deps,
      book,
      changed: async () => {
        await refresh();
        onChanged();
      },
      taken,
    }),
    jobs: [heartbeatRetention({ db: book.db, keepMs })],

    async take(token: string, ping: Ping) {
      const tokenHash = hashOf(token);
      if (!pace.allows(tokenHash)) return 'too-many';
      const row = await book.ping({ tokenHash }, ping);
      if (!row) return 'unknown';
      void taken(row);
      return 'taken';
    },

    services: () =>
      [...known.values()]
        .filter(({ adoption }) => adoption === 'adopted')
        .map(({ name, critical }) => ({
          name,
          // Nothing that is found on a machine is one; so it stays what the name stands for.
          match: { product: 'heartbeat' },
          critical,
          labels: { [HEARTBEAT_LABEL]: name },
          dependsOn: [],
          checks: [],
          restart: 'never' as const,
        })),

    async probe({ heartbeat }) {
      // Before anything is said of what was not heard: could it have been heard?
      if (ear.isDeaf()) await look();
      const row = known.get(heartbeat);
      if (!row) return answer('stopped', `there is no heartbeat ${heartbeat} any more`);
      const { state, message, dueAt } = judge(factsOf(row), now(), next);
      return {
        ...answer(SHOWN_AS[state], message),
        latencyMs: row.last_duration_ms ?? 0,
        detail: { state, ...(dueAt && { expectedAt: dueAt.toISOString() }) },
      };
    },

    async start() {
      stopping = new AbortController();
      await look();
      loop = lookAgainAndAgain(stopping.signal);
    },

    async stop() {
      stopping.abort();
      await loop;
    },
  };
}

function answer(state: ProbeResult['state'], message: string): ProbeResult {
  return { state, latencyMs: 0, message, depth: 'query', detail: {} };
}
