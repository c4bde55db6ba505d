import { hostname } from 'node:os';
import { join } from 'node:path';
import { databaseUrlOf } from './config/database-url.ts';
import type { Environment } from './config/environment.ts';
import { StewardError } from './core/errors.ts';

type Opened = Awaited<ReturnType<typeof openParts>>;

/** Opens the store beside or without a running Steward, and leaves everything as it was. */
export async function withStore<T>(environment: Environment, work: (opened: Opened) => Promise<T>): Promise<T> {
  const opened = await openParts(environment);
  try {
    return await work(opened);
  } finally {
    await opened.audit.stop();
    await opened.store.close();
  }
}

async function openParts(environment: Environment) {
  const [
    { createWorld },
    { MIGRATIONS },
    { openStore },
    { createAudit },
    { runningServer },
    { readFile },
    { version },
    { auditDestinations },
    { configLocation, loadConfig },
  ] = await Promise.all([
    import('./compose/world.ts'),
    import('./migrations.ts'),
    import('./store/store.ts'),
    import('./systems/audit/index.ts'),
    import('./config/home.ts'),
    import('node:fs/promises'),
    import('./version.ts'),
    import('./compose/audit-from-config.ts'),
    import('./config/load.ts'),
  ]);
  const { home } = environment;
  // Its store would be made anew.
  const { assertRestored } = await import('./restore-home-mark.ts');
  await assertRestored(home);
  const key = await readFile(join(home, 'audit.key'), 'utf8').catch((cause: unknown) => {
    throw new StewardError('NOT_FOUND', `There is no Steward in ${home} yet.`, {
      hint: 'Start it once with npm start, or set STEWARD_HOME.',
      cause,
    });
  });
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const now = (): Date => new Date();
  const running = await runningServer(home);
  const store = await openStore({
    home,
    databaseUrl: await databaseUrlOf(environment),
    migrations: MIGRATIONS,
    stewardVersion: version,
    log,
    now,
    poolSize: 2,
    keepServer: running !== undefined,
  });
  // What cannot be read names no other places; somebody who repairs must not be kept from it.
  const config = await loadConfig(configLocation(environment), environment).catch(() => undefined);
  const node = config?.config.node.name ?? hostname();
  const places = config && auditDestinations(config.config, { ...createWorld({ environment, log }), node }).places;
  // Not started: the server follows the record and the events, and where none runs they wait for it.
  const audit = createAudit({
    store,
    key: Buffer.from(key.trim(), 'hex'),
    checkpointFile: join(home, 'audit-checkpoints.jsonl'),
    ...(places && { places }),
    node,
    now,
    log,
  });
  return { store, audit };
}
