import { compareVersions } from './files.ts';

/** What the target database itself has on record of a migration, in its table `steward_migrations`. */
export interface AppliedRow {
  readonly version: string;
  readonly name: string;
  readonly checksum: string;
  /**
   * running: somebody applies it, or ended in its midst; reverting: the same of its other side; failed: it stayed half-done, or
   * nobody knows.
   */
  readonly state: 'applied' | 'running' | 'reverting' | 'failed';
  readonly appliedAt: string;
  readonly durationMs: number;
  readonly run: string;
  /** So many of the statements of the side that ran, or runs, ended well. */
  readonly done: number;
  readonly total: number;
  readonly error: string | null;
}

export type MigrationState = 'applied' | 'pending' | 'out-of-order' | 'changed' | 'missing' | 'failed' | 'running';

export interface Standing {
  readonly version: string;
  readonly name: string;
  readonly state: MigrationState;
  readonly file: string | null;
  readonly applied: AppliedRow | null;
}

export interface KnownFile {
  readonly version: string;
  readonly name: string;
  readonly file: string;
  readonly checksum: string;
}

/** By what a person says how one that stayed half-done stands. */
export const resolveCommand = (version: string): string =>
  `steward migrations resolve --migration ${version} --as applied (or --as pending)`;

/** Files and record, brought together, in the order of versions. */
export function standingOf(files: readonly KnownFile[], rows: readonly AppliedRow[]): Standing[] {
  const newest = rows
    .filter(({ state }) => state === 'applied')
    .map(({ version }) => version)
    .toSorted(compareVersions)
    .at(-1);
  const known = files.map(({ version, name, file, checksum }): Standing => {
    const applied = rows.find((row) => row.version === version) ?? null;
    const late = newest !== undefined && compareVersions(version, newest) < 0;
    if (!applied) return { version, name, file, applied, state: late ? 'out-of-order' : 'pending' };
    if (applied.state !== 'applied') return { version, name, file, applied, state: halfway(applied) };
    return { version, name, file, applied, state: applied.checksum === checksum ? 'applied' : 'changed' };
  });
  const gone = rows
    .filter(({ version }) => !files.some((file) => file.version === version))
    .map((applied): Standing => ({
      version: applied.version,
      name: applied.name,
      state: applied.state === 'applied' ? 'missing' : halfway(applied),
      file: null,
      applied,
    }));
  return [...known, ...gone].toSorted((a, b) => compareVersions(a.version, b.version));
}

const halfway = ({ state }: AppliedRow): 'running' | 'failed' => (state === 'failed' ? 'failed' : 'running');

/** What must be settled before anything is applied, each in a sentence with what to do. */
export function obstaclesOf(
  standing: readonly Standing[],
  { outOfOrder }: { readonly outOfOrder: boolean },
): { message: string; hint: string }[] {
  return standing.flatMap(({ version, name, state, file, applied }) => {
    const what = file ?? `${version} (${name})`;
    switch (state) {
      case 'changed':
        return [
          {
            message: `${what} was changed after it was applied on ${applied?.appliedAt}`,
            hint: `Put it back as it was, and write a new migration; or, where only words changed: steward migrations resolve --migration ${version} --as changed`,
          },
        ];
      case 'missing':
        return [
          {
            message: `${what} was applied on ${applied?.appliedAt}, and its file is missing`,
            hint: `Bring the file back; or forget it: steward migrations resolve --migration ${version} --as pending`,
          },
        ];
      case 'failed':
      case 'running':
        return [
          {
            message: `${what} stayed half-done: ${applied?.error ?? `${applied?.done} of ${applied?.total} statements ${applied?.state === 'reverting' ? 'that take it back ' : ''}ran, and it is not known what came of the next`}`,
            hint: `Complete it or take it back by hand, then say which: ${resolveCommand(version)}`,
          },
        ];
      case 'out-of-order':
        return outOfOrder
          ? []
          : [
              {
                message: `${what} comes before one that is applied already`,
                hint: 'Give it a number after the last one; or let it run all the same: --out-of-order',
              },
            ];
      case 'applied':
      case 'pending':
        return [];
    }
  });
}
