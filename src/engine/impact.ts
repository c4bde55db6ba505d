import type { Change, Impact } from '../core/run.ts';
import type { RunRow } from './run-rows.ts';
import type { StageDeps } from './stage.ts';

/** What whoever approves the plan should see of it beyond its changes. */
export async function impactOf(
  { inventory, recoveryPointOf }: Pick<StageDeps, 'inventory' | 'recoveryPointOf'>,
  row: Pick<RunRow, 'target_id' | 'effect'>,
  plan: readonly Change[],
): Promise<Impact> {
  const count = (undo: Change['undo']): number => plan.filter((change) => change.undo === undo).length;
  const dependents = row.target_id === null ? [] : await inventory.dependentsOf(row.target_id);
  const undo = { automatic: count('automatic'), approval: count('approval'), none: count('none') };
  const loses = row.effect === 'destructive' || undo.none > 0;
  return {
    blastRadius: dependents.map(({ id, name, critical }) => ({ id, name, critical })),
    undo,
    ...(loses && {
      recoveryPoint: (row.target_id === null ? undefined : await recoveryPointOf?.(row.target_id)) ?? null,
    }),
  };
}
