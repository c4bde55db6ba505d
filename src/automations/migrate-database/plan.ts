import type { Change } from '../../core/run.ts';
import { masked } from '../../core/migration/mask.ts';
import { type Ctx, dangersOf, type Facts, named, type PlannedStep, scriptFor } from './analyze.ts';

export const REHEARSE = 'rehearse';
export const RECOVERY = 'recovery-point';
/** More of one file is in the artifact. */
const SHOWN = 4_000;
/** A plan has to stay small as a whole. */
const SHOWN_AT_ALL = 200_000;

export interface MigrationChange extends Change {
  readonly version?: string | undefined;
  readonly checksum?: string | undefined;
  readonly downChecksum?: string | null | undefined;
  readonly artifact?: string | undefined;
}

export async function plan(ctx: Ctx, facts: Facts): Promise<readonly MigrationChange[]> {
  const { steps, set, copy } = facts;
  const { direction } = ctx.input;
  if (steps.length === 0) return [];
  const migrations = await ctx.ports.migrations.read(set.folder, set.source);
  const shown = Math.min(SHOWN, Math.floor(SHOWN_AT_ALL / steps.length));
  const changes: MigrationChange[] = [...before(ctx, facts)];
  for (const step of steps) {
    const script = scriptFor(named(migrations, step.version), direction);
    const all = masked(script.sql);
    const long = all.length > shown;
    const artifact = long ? (await ctx.artifact(`${step.version}-${direction}.sql`, all)).id : undefined;
    const sql = long ? `${all.slice(0, shown)}\n-- … ${all.length - shown} more characters: artifact ${artifact}` : all;
    const warnings = dangersOf(script, facts).slice(0, 20);
    changes.push({
      id: `${direction}:${step.version}`,
      title: `${direction === 'up' ? 'Apply' : 'Take back'} ${step.file} ${direction === 'up' ? 'to' : 'in'} ${facts.target.database}: ${count(step.statements, 'statement')}${warnings.length > 0 ? `, ${count(warnings.length, 'warning')}` : ''}`,
      undo: step.hasDown || ctx.input.recoveryPoint ? 'approval' : 'none',
      // What is applied whole stays, also where a later one fails; what fails says itself what it left.
      additive: true,
      detail: [
        ...(copy || !ctx.input.rehearse
          ? []
          : steps[0] === step
            ? ['Not rehearsed: the source has no proven copy. steward backup verify makes one.']
            : []),
        `If it fails: ${wayOut(step, ctx)}`,
        ...warnings.map(({ line, message }) => `Warning, line ${line}: ${message}.`),
        ...sql
          .trimEnd()
          .split('\n')
          .map((line) => `| ${line}`),
      ].join('\n'),
      version: step.version,
      checksum: step.checksum,
      downChecksum: step.downChecksum,
      ...(artifact !== undefined && { artifact }),
    });
  }
  return changes;
}

function before({ input }: Ctx, { copy, repository, target, steps }: Facts): MigrationChange[] {
  const rehearsal: MigrationChange = {
    id: REHEARSE,
    title: `Rehearse ${count(steps.length, 'migration')} in the proven copy ${copy?.id} of ${copy?.snapshotAt}, in a throw-away server`,
    undo: 'none',
    additive: true,
    detail:
      'What fails there, or loses rows that no SQL names, never reaches the original. Where this machine can start no such server, nothing is rehearsed, and the run says so.',
  };
  const recovery: MigrationChange = {
    id: RECOVERY,
    title: `Copy ${target.source} to ${repository} before the first statement`,
    undo: 'none',
    additive: true,
  };
  return [...(input.rehearse && copy ? [rehearsal] : []), ...(input.recoveryPoint ? [recovery] : [])];
}

/** Said before, since it depends on the engine. */
function wayOut({ whole, whyNot, statements, hasDown }: PlannedStep, { input }: Ctx): string {
  if (whole) return 'the engine rolls all of it back.';
  const back = [
    ...(hasDown && input.direction === 'up' ? ['the down file is run'] : []),
    ...(input.recoveryPoint ? ['the recovery point can be restored'] : []),
  ].join('; otherwise ');
  const single =
    statements === 1
      ? 'a single statement is done or not'
      : 'what ran before stays in force, and is told statement by statement';
  return `nothing is rolled back, since ${whyNot}; ${single}${back ? `; ${back}` : '; there is no way back'}.`;
}

export const count = (many: number, what: string): string => `${many} ${what}${many === 1 ? '' : 's'}`;
