import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Log } from '../core/log.ts';
import type { Children } from './children.ts';
import type { Flight, InFlight } from './in-flight.ts';
import type { NodeLease } from './lease.ts';
import { TakenOver, Unheard } from './ownership.ts';
import type { EngineTables } from './tables.ts';

const LOOK_EVERY_MS = 500;
/** How long the store may take to answer once the lease is over, before everything here is let go of. */
const LAST_WORD_MS = 1_000;
const ASK_AGAIN_MS = 200;

/** Whether this node may act on what it has in hand. */
export interface Watch {
  /** Resolves while it may: at once, or once the store has heard it again and says that this is still its. */
  heard(flight: Flight): Promise<void>;
  /** Says that this node lives, and looks at what became of what it has in hand. */
  beat(say: () => Promise<unknown>): Promise<void>;
  /** What was canceled, and what is another's by now. */
  look(): Promise<void>;
  stop(): void;
}

interface WatchDeps {
  readonly db: Kysely<EngineTables>;
  readonly lease: NodeLease;
  readonly flights: InFlight;
  readonly chains: InFlight;
  readonly children: Children;
  readonly log: Log;
  readonly nodeId: string;
  readonly say: () => Promise<unknown>;
  /** After an absence: what was let go of may be gone on with. */
  readonly onBack: () => void;
}

export function createWatch({ db, lease, flights, chains, children, log, nodeId, say, onBack }: WatchDeps): Watch {
  let over = false;
  let asking: Promise<void> | undefined;

  async function beat(speak: () => Promise<unknown>): Promise<void> {
    const said = lease.speak();
    await speak();
    said();
    await look();
    if (!over || !lease.fresh()) return;
    over = false;
    log.warn('the store hears this node again');
    onBack();
  }

  /** One question at a time, whoever wants to know. */
  const ask = (): Promise<void> => (asking ??= beat(say).finally(() => (asking = undefined)));

  async function take(flight: Flight): Promise<void> {
    if (flight.left() !== undefined) return;
    log.warn('taken over by another node', { id: flight.id, epoch: flight.epoch });
    flight.leave(new TakenOver());
    await children.endOwn(flight.id);
  }

  async function look(): Promise<void> {
    const running = flights.ids();
    if (running.length > 0) {
      const rows = await db
        .selectFrom('runs')
        .select(['id', 'cancel', 'epoch', 'node', 'finished_at'])
        .where('id', 'in', running)
        .execute();
      const byId = new Map(rows.map((row) => [row.id, row]));
      for (const flight of flights.flights()) {
        const row = byId.get(flight.id);
        if (row && (row.node !== nodeId || row.epoch > flight.epoch)) await take(flight);
        else if (row?.cancel) flights.cancel(row.id, row.cancel);
        else if (row?.finished_at) flights.cancel(row.id, { by: 'Steward', reason: 'it has ended already' });
      }
    }
    if (chains.size === 0) return;
    const rows = await db
      .selectFrom('workflow_executions')
      .select(['id', 'epoch', 'node'])
      .where('id', 'in', chains.ids())
      .execute();
    for (const flight of chains.flights()) {
      const row = rows.find(({ id }) => id === flight.id);
      if (row && (row.node !== nodeId || row.epoch > flight.epoch)) await take(flight);
    }
  }

  /** Nobody else may act before this node has stopped. What it did and could not record yet waits for the store as it is. */
  async function letGo(): Promise<void> {
    over = true;
    const all = [...flights.flights(), ...chains.flights()].filter((flight) => flight.left() === undefined);
    if (all.length > 0)
      log.warn('the store does not hear this node; what runs here is let go of', { runs: all.length });
    for (const flight of all) flight.leave(new Unheard());
    await children.endOwn();
  }

  let looking = false;
  const timer = setInterval(() => {
    if (looking || over || lease.fresh()) return;
    looking = true;
    void Promise.race([ask(), sleep(LAST_WORD_MS)])
      .catch(() => undefined)
      .then(() => (lease.fresh() ? undefined : letGo()))
      .catch((thrown: unknown) => log.error('not everything was let go of', { reason: (thrown as Error).message }))
      .finally(() => (looking = false));
  }, LOOK_EVERY_MS);
  timer.unref();

  return {
    beat,
    look,
    async heard(flight) {
      while (!lease.fresh()) {
        flight.leaving.throwIfAborted();
        await Promise.race([ask(), sleep(LAST_WORD_MS)]).catch(() => sleep(ASK_AGAIN_MS));
      }
      flight.leaving.throwIfAborted();
    },
    stop: () => clearInterval(timer),
  };
}
