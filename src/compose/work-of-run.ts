import type { BackupSource } from '../core/backup/source.ts';
import { sourceOfServer } from '../core/backup/propose.ts';
import { sourceMeant } from '../core/migration/pick.ts';
import type { Inventory } from '../core/inventory.ts';
import type { Run } from '../core/run.ts';
import type { MigrationSet } from '../core/ports/migrations.ts';
import { isFinal } from '../core/run-states.ts';
import type { RunService } from '../core/run-service.ts';
import type { WorkOfRun } from '../systems/maintenance/of-runs.ts';

/** What replaces or changes the data of a database under whoever uses it. */
const SAYS: Readonly<Record<string, string>> = {
  'restore-backup': 'is restored from a copy',
  'migrate-database': 'is migrated',
};

/** The database that a run works on, and what needs it: they fail meanwhile, and that is no news. */
export async function workOfRun(
  runId: string,
  {
    runs,
    inventory,
    sources,
    migrations,
    node,
  }: {
    readonly runs: Pick<RunService, 'get'>;
    readonly inventory: Pick<Inventory, 'find' | 'dependentsOf'>;
    readonly sources: () => readonly BackupSource[];
    readonly migrations: () => readonly Pick<MigrationSet, 'name' | 'source'>[];
    readonly node: string;
  },
): Promise<WorkOfRun | undefined> {
  const run = await runs.get(runId);
  const says = run && SAYS[run.automation];
  const name = run && sourceNameOf(run, migrations());
  if (!run || says === undefined || name === undefined || isFinal(run.status)) return undefined;
  const here = await inventory.find({ node, state: 'present' });
  const servers = here.filter((resource) => sourceOfServer(resource, sources())?.name === name);
  const users = await Promise.all(servers.map(({ id }) => inventory.dependentsOf(id)));
  const resources = [...new Set([...servers, ...users.flat()].map(({ id }) => id))];
  return { resources, reason: `${name} ${says} (${run.id})`, actor: run.actor.name };
}

function sourceNameOf(
  { input }: Pick<Run, 'input'>,
  sets: readonly Pick<MigrationSet, 'name' | 'source'>[],
): string | undefined {
  // Its automation has checked it.
  return sourceMeant(sets, (input ?? {}) as { readonly source?: string; readonly name?: string });
}
