import type { Log } from '../core/log.ts';
import type { Run } from '../core/run.ts';
import type { StartRun } from '../core/run-service.ts';
import type { RunRow } from './run-rows.ts';
import type { Life } from './start.ts';

export const MOST_GENERATIONS = 3;
const KEY = /^replan:(.+):(\d+)$/;

export const successorKey = (rootId: string, generation: number): string => `replan:${rootId}:${generation}`;

/** A stale run is planned again as a new one, so often that a world which never stands still ends it. */
export async function planAgain(
  start: (request: StartRun, life: Life) => Promise<Run>,
  row: RunRow,
  log: Log,
): Promise<void> {
  // That plan and no other: whoever had a token of it, or wanted a run taken back, looks again and asks again.
  if (row.expected_hash !== null || row.relation?.kind === 'undoes') return;
  const [, root = row.id, generation = '0'] = KEY.exec(row.idempotency_key ?? '') ?? [];
  const next = Number(generation) + 1;
  if (next > MOST_GENERATIONS) return log.warn('stale run is not planned again', { runId: row.id, generation });
  await start(
    {
      automation: row.automation,
      input: row.input.value,
      trigger: row.trigger,
      actor: row.actor,
      place: row.place ?? undefined,
      askFirst: row.ask_first ?? undefined,
      reason: `Planned again: run ${row.id} was stale.`,
      causation: { ...row.causation, runId: row.id },
      idempotencyKey: successorKey(root, next),
    },
    { relation: { kind: 'replans', runId: row.id }, carried: row.carried ?? undefined },
  );
}
