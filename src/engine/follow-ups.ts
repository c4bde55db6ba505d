import { StewardError } from '../core/errors.ts';
import { isFinal, type Run } from '../core/run.ts';
import type { AboutRun, RunFollowUps } from '../core/run-service.ts';
import type { ModeKeeper } from './mode.ts';
import { madeBy } from './original.ts';
import { leftOf } from './perform-undo.ts';
import { issueToken } from './plan-tokens.ts';
import type { RunRow } from './run-rows.ts';
import { type Life, type StartDeps, startRun } from './start.ts';
import type { Carried } from './tables-life.ts';

/** What can be asked about a run that ended. Each gives a run of its own; nothing of the old one is done or decided again without it. */
export function createFollowUps(deps: StartDeps & { readonly mode: ModeKeeper }): RunFollowUps {
  const { runs, mode, catalog } = deps;

  async function ended(id: string, what: string): Promise<RunRow> {
    const row = await runs.row(id);
    if (!row) throw new StewardError('NOT_FOUND', `There is no run ${id}.`, { hint: 'See steward runs.' });
    if (!isFinal(row.status))
      throw new StewardError('CONFLICT', `Run ${id} is ${row.status}; ${what} once it has ended.`, {
        hint: `Wait for it, or cancel it: steward run cancel ${id}`,
      });
    return row;
  }

  /** Something that was really done, and that nobody is about to do something about. */
  async function applied(id: string, what: string): Promise<RunRow> {
    const row = await ended(id, what);
    if (row.dry_run) throw new StewardError('CONFLICT', `Run ${id} was a dry run: it changed nothing.`);
    if (row.effect === 'read' && !row.plan)
      throw new StewardError('CONFLICT', `Run ${id} only read: it changed nothing.`);
    if (row.relation?.kind === 'undoes')
      throw new StewardError('CONFLICT', `Run ${id} took another one back; it is not a change of its own.`, {
        hint: `Repeat that one instead: steward run repeat ${row.relation.runId}`,
      });
    const open = await runs.db
      .selectFrom('runs')
      .select(['id', 'status', 'relation'])
      .where('finished_at', 'is', null)
      .where('relation', 'is not', null)
      .execute();
    const other = open.find(({ relation }) => relation?.runId === id && relation.kind !== 'repeats');
    if (other) throw followed(id, other.relation?.kind ?? '', other.id, other.status);
    return row;
  }

  /** What happened on a machine is taken back, or gone on with, there. */
  const placeOf = (row: RunRow): NonNullable<Life['place']> => ({
    node: row.node,
    queue: row.queue,
    lock: row.lock,
    target_id: row.target_id,
    target: row.target,
  });

  async function ask(row: RunRow, { actor, trigger, reason }: AboutRun, words: string, life: Life): Promise<Run> {
    try {
      return await startRun(
        deps,
        {
          automation: row.automation,
          input: row.input.value,
          trigger,
          actor,
          dryRun: life.relation.kind === 'repeats' && row.dry_run,
          reason: reason ?? `${words} run ${row.id}.`,
          place: life.place ? undefined : (row.place ?? undefined),
        },
        life,
      );
    } catch (thrown) {
      // Somebody else asked for the same at the same moment.
      if (life.relation.kind !== 'repeats' && isUniqueViolation(thrown))
        throw followed(row.id, life.relation.kind, undefined, 'queued');
      throw thrown;
    }
  }

  return {
    async planToken(id, { actor }) {
      const row = await runs.row(id);
      if (!row) throw new StewardError('NOT_FOUND', `There is no run ${id}.`, { hint: 'See steward runs.' });
      return await issueToken({ db: runs.db, audit: deps.audit, now: deps.now }, row, actor);
    },

    async undo(id, about) {
      const row = await applied(id, 'it can be taken back');
      const made = await madeBy(deps, row);
      const { takeBack, stays } = leftOf(made);
      if (takeBack.length === 0) throw nothingToTakeBack(row, made, stays.length);
      const automation = catalog().automations.get(row.automation);
      if (automation && (automation.effect === 'read' || !automation.rollback))
        throw new StewardError('PRECONDITION_FAILED', `${row.automation} has no way to take back what it did.`, {
          hint: `See what it did: steward run show ${id}`,
        });
      return await ask(row, about, 'Takes back', {
        relation: { kind: 'undoes', runId: id },
        effect: takeBack.some(({ change }) => change.undo === 'approval') ? 'destructive' : 'write',
        place: placeOf(row),
      });
    },

    async resume(id, about) {
      const row = await applied(id, 'it can be gone on with');
      const made = await madeBy(deps, row);
      const done = made.filter(({ status }) => status === 'done');
      if (row.status === 'succeeded')
        throw new StewardError('CONFLICT', `Run ${id} succeeded; nothing of it is left to do.`, {
          hint: `To do it again: steward run repeat ${id}`,
        });
      if (done.length === 0)
        throw new StewardError('CONFLICT', `Nothing that run ${id} did is still there to go on from.`, {
          hint: `To do all of it again: steward run repeat ${id}`,
        });
      const carried: Carried[] = [
        ...(row.carried ?? []),
        ...done.map(({ change, receipt }) => ({ change, receipt: receipt ?? null })),
      ];
      return await ask(row, about, 'Goes on with', {
        relation: { kind: 'continues', runId: id },
        carried,
        place: placeOf(row),
      });
    },

    async repeat(id, about) {
      const row = await ended(id, 'it can be done again');
      if (row.relation?.kind === 'undoes')
        throw new StewardError('CONFLICT', `Run ${id} took another one back; ask for that again instead.`, {
          hint: `steward run undo ${row.relation.runId}`,
        });
      return await ask(row, about, 'Repeats', { relation: { kind: 'repeats', runId: id } });
    },

    mode: () => mode.current(),
    setMode: (next, options) => mode.set(next, options),
  };
}

function followed(id: string, kind: string, other: string | undefined, status: string): StewardError {
  const what = kind === 'undoes' ? 'taken back' : kind === 'continues' ? 'gone on with' : 'planned again';
  return new StewardError(
    'CONFLICT',
    `Run ${id} is being ${what} already${other ? `: run ${other} is ${status}` : ''}.`,
    {
      hint: other ? `See it: steward run show ${other}` : 'See steward runs.',
    },
  );
}

function nothingToTakeBack(row: RunRow, made: readonly { status: string }[], stays: number): StewardError {
  if (stays > 0)
    return new StewardError(
      'PRECONDITION_FAILED',
      `What run ${row.id} changed cannot be taken back; its plan said so.`,
      {
        hint: `See steward run show ${row.id}`,
      },
    );
  return made.some(({ status }) => status === 'undone')
    ? new StewardError('CONFLICT', `Everything that run ${row.id} did was taken back already.`)
    : new StewardError('CONFLICT', `Run ${row.id} is ${row.status} and changed nothing.`);
}

function isUniqueViolation(thrown: unknown): boolean {
  return thrown instanceof StewardError && (thrown.cause as { constraint?: string })?.constraint === 'runs_follow_ups';
}
