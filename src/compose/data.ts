import { createExports } from '../adapters/exports/index.ts';
import { seeForBackups } from '../adapters/sources/seen.ts';
import type { Catalog } from '../core/catalog.ts';
import { proposeSources, sourceOfServer } from '../core/backup/propose.ts';
import { matchesGlob } from '../core/glob.ts';
import type { Incidents } from '../core/incident.ts';
import type { Inventory } from '../core/inventory.ts';
import type { Engine } from '../engine/index.ts';
import { nextInstant } from '../engine/instants.ts';
import { createBackupRecord, recordedAt } from '../systems/backups/index.ts';
import { createDatabaseWatch } from '../systems/databases/index.ts';
import { createMigrationsView } from '../systems/migrations/index.ts';
import { createSandboxKeeper } from '../systems/sandboxes/index.ts';
import { backupRepositories, backupSettings, backupSources } from './backups-from-config.ts';
import { type BackupsOf, backupsOf, migrationsOf, sandboxesOf } from './backups-of.ts';
import { databaseSettings, heavyTimes, nextDatabaseWindow, openDatabaseWindow } from './databases-from-config.ts';
import { expiryOf, fitnessOf } from './fitness-of.ts';
import type { Base } from './parts.ts';
import { exportKit } from '../recovery-kit.ts';

/** The adapters that reach databases, files and their copies: each is made for the programs of a run, or for Steward's own. */
export function reachData({ environment, config, store, settings, world, home, node, now, log }: Base) {
  const databaseUrl = store.mode === 'external' ? store.databaseUrl : undefined;
  const reaching: BackupsOf = {
    dockerHost: environment.dockerHost,
    configuration: () => config.current().file,
    databaseUrl,
    settings,
    secrets: world.secrets,
    outbound: world.outbound,
    recorded: recordedAt({ store, node }),
    home,
    node: node.name,
    say: (text) => log.info(text),
    now,
    log,
  };
  return {
    databaseUrl,
    backups: backupsOf(reaching),
    sandboxes: sandboxesOf(reaching, world.programs),
    fitness: fitnessOf({ ...reaching, sockets: world.sockets }),
    migrations: migrationsOf(reaching),
    expiry: expiryOf(reaching),
  };
}

/** What remembers copies, watches databases and knows their migrations. */
export function composeData(
  { store, environment, settings, world, home, node, now, log }: Base,
  {
    reach,
    engine,
    incidents,
    inventory,
    catalog,
    keepIncidentsMs,
  }: {
    readonly reach: ReturnType<typeof reachData>;
    readonly engine: Engine;
    readonly incidents: Incidents;
    readonly inventory: Inventory;
    readonly catalog: () => Catalog;
    readonly keepIncidentsMs: () => number;
  },
) {
  const backups = createBackupRecord({
    store,
    backups: reach.backups(world.programs),
    kit: (copies, locks) =>
      exportKit(
        { repositories: backupRepositories(settings(), home), copies, locks },
        { secrets: world.secrets, home, node: node.name, now },
      ),
    async proposals() {
      const resources = await inventory.find({ node: node.id, state: 'present' });
      const seen = await seeForBackups(resources, environment.dockerHost);
      const { ignore } = settings().backups;
      return proposeSources(resources, seen, backupSources(settings(), reach.databaseUrl)).filter(
        ({ name }) => !ignore.some((pattern) => matchesGlob(pattern, name)),
      );
    },
    runs: engine.service,
    workflows: engine.workflows,
    incidents,
    exports: createExports(home),
    settings: () => backupSettings(settings()),
    keepMs: keepIncidentsMs,
    node,
    now,
    log,
  });
  const databases = createDatabaseWatch({
    store,
    sources: () => backupSources(settings()),
    fitness: reach.fitness(world.programs),
    runs: engine.service,
    async serverOf(source) {
      const here = await inventory.find({ node: node.id });
      return here.find((resource) => sourceOfServer(resource, [source]))?.id;
    },
    incidents,
    exports: createExports(home),
    settings: () => databaseSettings(settings()),
    windows: {
      open: (at) => openDatabaseWindow(settings(), at, nextInstant),
      next: (at) => nextDatabaseWindow(settings(), at, nextInstant),
      // What a schedule does anyway is not done twice.
      metBy: ({ from, until }) =>
        heavyTimes(catalog().workflows.values()).some((schedule) => {
          const at = nextInstant(schedule, new Date(from.getTime() - 1));
          return at !== undefined && at < until;
        }),
    },
    keepMs: keepIncidentsMs,
    node,
    now,
    log,
  });
  const sandboxes = createSandboxKeeper({
    sandboxes: reach.sandboxes,
    sweep: (doing) => reach.backups(world.programs).sweep(doing),
    store,
    node,
    log,
  });
  const migrations = createMigrationsView({ migrations: reach.migrations(world.programs) });
  return { backups, databases, migrations, sandboxes };
}
