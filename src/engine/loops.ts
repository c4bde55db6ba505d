import { type Selectable, sql } from 'kysely';
import type { Actor, Trigger } from '../core/actor.ts';
import type { AuditLog } from '../core/audit.ts';
import { StewardError } from '../core/errors.ts';
import type { Causation, StewardEvent } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../store/store.ts';
import { type Ancestor, ancestryOf, DEEPEST, workflowKey } from './ancestry.ts';
import type { Executions } from './executions.ts';
import { newId } from './ids.ts';
import type { Runs } from './runs.ts';
import type { LifeTables, LoopFrame } from './tables-life.ts';

const MOST_OCCURRENCES = 2;
const MOST_WITHOUT_CHANGE = 5;
const FROZEN_MS = 3_600_000;
/** Nobody looks at what these ask for. The clock is left out: it is a brake by itself, and somebody's standing order. */
const UNWATCHED: readonly Trigger[] = ['event', 'webhook', 'healing', 'scaling'];

type LoopRow = Selectable<LifeTables['engine_loops']>;

/** A loop that was cut, as long as it stays cut. */
export interface BrokenLoop {
  readonly id: string;
  readonly kind: LoopRow['kind'];
  readonly message: string;
  readonly cycle: LoopFrame[];
  /** How often something was refused because of it. */
  readonly refused: number;
  readonly brokenAt: Date;
  readonly refusedAt: Date;
  readonly expiresAt: Date;
  readonly releasedBy?: string | undefined;
  readonly releasedAt?: Date | undefined;
}

export interface AskedRun {
  readonly automation: string;
  readonly key: string;
  readonly targetId?: string | undefined;
  readonly trigger: Trigger;
  readonly actor: Actor;
  readonly causation: Causation;
  readonly changes: boolean;
  /** The stale run in whose place it comes. */
  readonly replans?: string | undefined;
}

/** What keeps automation from feeding on itself: LOOP_BROKEN for what would close a loop, and for as long as the loop is frozen. */
export interface Loops {
  assertRun(run: AskedRun): Promise<void>;
  assertWorkflow(workflow: string, event: StewardEvent): Promise<void>;
  /** Those that are frozen now, the newest first. */
  list(): Promise<BrokenLoop[]>;
  release(id: string, actor: Actor): Promise<BrokenLoop>;
}

interface LoopsDeps {
  readonly store: Store;
  readonly runs: Runs;
  readonly executions: Executions;
  readonly audit: AuditLog;
  readonly now: () => Date;
  readonly log: Log;
  readonly nodeId: string;
}

interface Found {
  readonly kind: LoopRow['kind'];
  readonly key: string;
  readonly cycle: readonly LoopFrame[];
  readonly keys: readonly string[];
  readonly message: string;
  readonly causation: Causation;
}

export function createLoops({ store, runs, executions, audit, now, log, nodeId }: LoopsDeps): Loops {
  const { db } = runs;

  const frozen = () => db.selectFrom('engine_loops').where('released_at', 'is', null).where('expires_at', '>', now());

  async function frozenWith(kind: LoopRow['kind'], key: string): Promise<LoopRow | undefined> {
    return await frozen()
      .selectAll()
      .where('kind', '=', kind)
      .where(sql<boolean>`keys @> ${JSON.stringify([key])}::jsonb`)
      .executeTakeFirst();
  }

  async function refuse(loop: LoopRow): Promise<never> {
    await db
      .updateTable('engine_loops')
      .set({ refused: sql`refused + 1`, refused_at: now() })
      .where('id', '=', loop.id)
      .execute();
    throw new StewardError('LOOP_BROKEN', loop.message, {
      hint: `It stays cut until ${loop.expires_at.toISOString()}. See steward loops; steward loop release ${loop.id} lets it go on.`,
    });
  }

  /** Kept and told once, however many nodes find it at once. */
  async function cut({ kind, key, cycle, keys, message, causation }: Found): Promise<never> {
    const at = now();
    const loop = await db.transaction().execute(async (trx) => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${`steward loop ${kind} ${key}`}, 0))`.execute(trx);
      const known = await frozenWith(kind, key);
      if (known) return known;
      const row = await trx
        .insertInto('engine_loops')
        .values({
          id: newId('loop', at),
          kind,
          key,
          keys: JSON.stringify([...new Set([...keys, key])]),
          cycle: JSON.stringify(cycle),
          message,
          refused: 0,
          broken_at: at,
          refused_at: at,
          expires_at: new Date(at.getTime() + FROZEN_MS),
        })
        .returningAll()
        .executeTakeFirstOrThrow();
      await store.events.append(trx, {
        type: 'loop.broken',
        subject: { kind: 'loop', id: row.id },
        data: { loopId: row.id, kind, message, cycle: cycle.map((frame) => ({ ...frame })), shown: shown(cycle) },
        causation,
        node: nodeId,
      });
      return row;
    });
    log.warn('loop broken', { loop: loop.id, message });
    return await refuse(loop);
  }

  async function assertNoCycle(
    what: LoopFrame & { readonly key: string },
    causation: Causation,
    options: { asStep: boolean; replans?: string | undefined; event?: LoopFrame | undefined },
  ): Promise<void> {
    if (causation.runId === undefined && causation.workflowId === undefined) return;
    const { ancestors, generations } = await ancestryOf({ runs, executions }, causation, options);
    const { key, ...frame } = what;
    const times = ancestors.filter((one) => one.key === key).length;
    if (times > 0) {
      const loop = await frozenWith('cycle', key);
      if (loop) await refuse(loop);
    }
    if (times < MOST_OCCURRENCES && generations <= DEEPEST) return;
    const event = options.event ? [{ key: '', frame: options.event }] : [];
    const round = roundOf([...event, ...ancestors], frame, key);
    const cycle = [...round.map((one) => one.frame), frame];
    const message =
      times >= MOST_OCCURRENCES
        ? `${what.name} would start itself again: ${shown(cycle)}.`
        : `${what.name} stands at the end of more than ${DEEPEST} causes: ${shown(cycle)}.`;
    await cut({
      kind: 'cycle',
      key,
      cycle,
      keys: round.map((one) => one.key).filter((one) => one !== ''),
      message,
      causation,
    });
  }

  /** The same, again and again, although it always succeeds: something undoes it, or it does nothing. */
  async function assertEffect({ automation, key, targetId, trigger, actor, causation }: AskedRun): Promise<void> {
    if (targetId === undefined || (!UNWATCHED.includes(trigger) && actor.role !== 'agent')) return;
    const known = await frozenWith('no-change', key);
    if (known) await refuse(known);
    const at = now();
    const released = await db
      .selectFrom('engine_loops')
      .select('released_at as at')
      .where('kind', '=', 'no-change')
      .where('key', '=', key)
      .where('released_at', 'is not', null)
      .orderBy('released_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    const since = new Date(Math.max(at.getTime() - FROZEN_MS, released?.at?.getTime() ?? 0));
    const last = await db
      .selectFrom('runs')
      .select(['id', 'plan_hash'])
      .where('loop_key', '=', key)
      .where('status', '=', 'succeeded')
      .where('finished_at', '>', since)
      .where('effect', '!=', 'read')
      .where('dry_run', '=', false)
      .where((where) => where.or([where('trigger', 'in', UNWATCHED), sql<boolean>`actor->>'role' = 'agent'`]))
      .where(sql<boolean>`jsonb_array_length(plan) > 0`)
      .orderBy('finished_at', 'desc')
      .limit(MOST_WITHOUT_CHANGE)
      .execute();
    if (last.length < MOST_WITHOUT_CHANGE || new Set(last.map(({ plan_hash }) => plan_hash)).size > 1) return;
    const cycle = last.map(({ id }): LoopFrame => ({ kind: 'run', name: automation, id })).toReversed();
    await cut({
      kind: 'no-change',
      key,
      cycle,
      keys: [],
      message: `${automation} did the same to its target ${MOST_WITHOUT_CHANGE} times within an hour, succeeded each time, and is wanted again: it changes nothing that lasts.`,
      causation,
    });
  }

  return {
    async assertRun(run) {
      const { automation, key, causation, replans, changes } = run;
      await assertNoCycle({ kind: 'run', name: automation, id: '', key }, causation, { asStep: true, replans });
      if (changes && replans === undefined) await assertEffect(run);
    },
    async assertWorkflow(workflow, event) {
      const key = workflowKey(workflow, event.subject);
      await assertNoCycle({ kind: 'workflow', name: workflow, id: '', key }, event.causation ?? {}, {
        asStep: false,
        event: { kind: 'event', name: event.type, id: String(event.id) },
      });
    },
    list: async () => (await frozen().selectAll().orderBy('broken_at', 'desc').execute()).map(toLoop),
    async release(id, actor) {
      const row = await db.selectFrom('engine_loops').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row) throw new StewardError('NOT_FOUND', `There is no loop ${id}.`, { hint: 'See steward loops.' });
      await audit.append({
        action: 'loop.released',
        actor,
        subject: { kind: 'loop', id },
        outcome: 'allowed',
        from: actor.kind,
        detail: { message: row.message },
      });
      const released = await db
        .updateTable('engine_loops')
        .set({ released_by: actor.name, released_at: now() })
        .where('id', '=', id)
        .where('released_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      return toLoop(released ?? row);
    },
  };
}

/** From the last time that it happened until now, in the order in which it happened. All of it where it never did. */
function roundOf(ancestors: readonly Ancestor[], frame: LoopFrame, key: string): Ancestor[] {
  const last = ancestors.findIndex((one) => one.key === key);
  const since = last < 0 ? ancestors : ancestors.slice(0, last + 1);
  // Runs tell more than the workflows around them, where there are any.
  const kind = frame.kind === 'run' ? 'workflow' : 'run';
  return since.filter((one) => one.frame.kind !== kind).toReversed();
}

const shown = (cycle: readonly LoopFrame[]): string => cycle.map(({ name }) => name).join(' → ');

function toLoop(row: LoopRow): BrokenLoop {
  return {
    id: row.id,
    kind: row.kind,
    message: row.message,
    cycle: row.cycle,
    refused: row.refused,
    brokenAt: row.broken_at,
    refusedAt: row.refused_at,
    expiresAt: row.expires_at,
    ...(row.released_by !== null && { releasedBy: row.released_by }),
    ...(row.released_at && { releasedAt: row.released_at }),
  };
}
