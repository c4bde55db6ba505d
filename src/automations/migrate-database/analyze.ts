import type { Context } from '../../core/automation.ts';
import { newestOf } from '../../core/backup/pick.ts';
import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { compareVersions, type Script } from '../../core/migration/files.ts';
import { namedIn, saysNotValid, warningsOf } from '../../core/migration/lint.ts';
import { pickSet } from '../../core/migration/pick.ts';
import { obstaclesOf, type Standing, standingOf } from '../../core/migration/standing.ts';
import type { CheckedMigration, DatabaseLook, MigrationSet } from '../../core/ports/migrations.ts';
import type { Input } from './schema.ts';

export type Needs = 'backups' | 'copies' | 'migrations';
export type Ctx = Context<Input, Needs>;

/** What of one migration a plan rests on. The SQL itself stays in its file: facts have to stay small. */
export interface PlannedStep {
  readonly version: string;
  readonly name: string;
  readonly file: string;
  readonly checksum: string;
  readonly downChecksum: string | null;
  readonly statements: number;
  readonly whole: boolean;
  readonly whyNot: string | null;
  readonly hasDown: boolean;
  /** Whether it adds a constraint that a later one is to validate. */
  readonly notValid: boolean;
}

export interface Facts {
  readonly set: MigrationSet;
  readonly target: { readonly source: string; readonly database: string };
  readonly kind: DatabaseLook['kind'];
  readonly engine: string;
  readonly applied: readonly string[];
  readonly steps: readonly PlannedStep[];
  readonly obstacles: readonly { readonly message: string; readonly hint: string }[];
  /** The newest proven copy, to rehearse on. */
  readonly copy: {
    readonly id: string;
    readonly repository: string;
    readonly location: string;
    readonly snapshotAt: string;
  } | null;
  /** Where the recovery point goes. */
  readonly repository: string | null;
  readonly sourceKind: 'postgres' | 'mysql' | 'sqlite';
  readonly problems: readonly string[];
  readonly held: readonly string[];
}

export async function analyze({ input, ports, signal }: Ctx): Promise<Facts> {
  const set = setOf(ports.migrations.sets(), input);
  const migrations = await ports.migrations.read(set.folder, set.source);
  const look = await ports.migrations.look({ ...set, asserting: true }, { signal });
  if (look.lockedBy !== undefined)
    throw new StewardError(
      'LOCKED',
      `${look.database} is being migrated already by ${look.lockedBy}: nothing was changed.`,
      { hint: 'Wait until it is done, and look at steward migrations.', retryable: false },
    );
  const standing = standingOf(migrations, look.rows);
  const steps = wantedOf(standing, input, set).map((version) => planned(migrations, version, input.direction, look));
  const source = ports.backups.sources().find(({ name }) => name === set.source);
  const copies = await ports.copies.find({ source: set.source, status: 'complete' });
  const newest = newestOf(copies, ports.backups.repositories());
  const proven = newest?.provenAt ? newest : undefined;
  return {
    set,
    target: { source: set.source, database: look.database },
    kind: look.kind,
    sourceKind: look.kind,
    engine: look.engine,
    applied: look.rows.map(({ version }) => version).toSorted(compareVersions),
    steps,
    obstacles: [
      ...obstaclesOf(standing, { outOfOrder: input.direction === 'down' || set.outOfOrder }),
      ...foreign(look),
      ...unknown(standing, input),
      ...noWayBack(steps, input),
    ],
    copy: proven
      ? {
          id: proven.id,
          repository: proven.repository,
          location: proven.location,
          snapshotAt: proven.snapshotAt?.toISOString() ?? '',
        }
      : null,
    repository: proven?.repository ?? source?.repositories?.[0] ?? ports.backups.repositories()[0]?.name ?? null,
    problems: look.problems.slice(0, 200),
    held: look.assertions.filter(({ holds }) => holds).map(({ name }) => name),
  };
}

/** As it is configured, with what this run wants otherwise. */
export function setOf(sets: readonly MigrationSet[], input: Input): MigrationSet {
  const set = pickSet(sets, input);
  const { outOfOrder, lockTimeout, statementTimeout } = input;
  return {
    ...set,
    ...(outOfOrder !== undefined && { outOfOrder }),
    ...(lockTimeout !== undefined && { lockTimeoutMs: ms(lockTimeout) }),
    ...(statementTimeout !== undefined && { statementTimeoutMs: ms(statementTimeout) }),
  };
}

/** Versions in the order in which they are worked on. */
function wantedOf(standing: readonly Standing[], { direction, to }: Input, { outOfOrder }: MigrationSet): string[] {
  const last = to?.replaceAll('_', '.');
  if (direction === 'up')
    return standing
      .filter(
        ({ state, version }) =>
          (state === 'pending' || (state === 'out-of-order' && outOfOrder)) &&
          (last === undefined || compareVersions(version, last) <= 0),
      )
      .map(({ version }) => version);
  const applied = standing
    .filter(({ applied: row, file }) => row !== null && file !== null)
    .map(({ version }) => version)
    .toReversed();
  return last === undefined ? applied.slice(0, 1) : applied.filter((version) => compareVersions(version, last) > 0);
}

function planned(
  migrations: readonly CheckedMigration[],
  wanted: string,
  direction: Input['direction'],
  { keepsRows }: DatabaseLook,
): PlannedStep {
  const { version, name, file, checksum, downChecksum, up, down } = named(migrations, wanted);
  const script: Script | undefined = direction === 'up' ? up : down;
  const [kept] = script ? namedIn([{ up: script }], keepsRows) : [];
  return {
    version,
    name,
    file: script?.file ?? file,
    checksum,
    downChecksum,
    statements: script?.statements.length ?? 0,
    whole: (script?.whole ?? true) && kept === undefined,
    whyNot: script?.whyNot ?? (kept === undefined ? null : `the table ${kept} has no transactions`),
    hasDown: down !== undefined,
    notValid: script !== undefined && saysNotValid(script),
  };
}

export function named(migrations: readonly CheckedMigration[], wanted: string): CheckedMigration {
  const found = migrations.find(({ version }) => version === wanted);
  if (found) return found;
  throw new StewardError(
    'CONFLICT',
    `The file of version ${wanted} is gone since the plan was made: nothing was done with it.`,
    { hint: 'Start again.' },
  );
}

/** What each step would send, with what is dangerous about it. */
export function scriptFor(migration: CheckedMigration, direction: Input['direction']): Script {
  const script = direction === 'up' ? migration.up : migration.down;
  if (script) return script;
  throw new StewardError('PRECONDITION_FAILED', `${migration.file} has no down file.`, {
    hint: 'Write one, or restore a copy from before.',
  });
}

export const dangersOf = (script: Script, { kind }: Facts) => warningsOf(script, kind);

function foreign({ foreign: other, database }: DatabaseLook): Facts['obstacles'] {
  if (other === undefined) return [];
  return [
    {
      message: `${database} has the record ${other}, and none of Steward: nobody knows which of the files are applied`,
      hint: 'Say up to where they are: steward migrations resolve --migration <last applied one> --as applied --through',
    },
  ];
}

function unknown(standing: readonly Standing[], { to }: Input): Facts['obstacles'] {
  if (to === undefined || /^0+$/.test(to)) return [];
  const wanted = to.replaceAll('_', '.');
  if (standing.some(({ version }) => compareVersions(version, wanted) === 0)) return [];
  return [{ message: `There is no version ${to}`, hint: 'steward migrations shows those there are.' }];
}

function noWayBack(steps: readonly PlannedStep[], { direction }: Input): Facts['obstacles'] {
  if (direction === 'up') return [];
  return steps
    .filter(({ hasDown }) => !hasDown)
    .map(({ version, name }) => ({
      message: `${version} (${name}) has no down file`,
      hint: 'Write one, or restore a copy from before: steward backup history',
    }));
}
