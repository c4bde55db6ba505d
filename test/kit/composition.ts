import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compose, type Composition } from '../../src/compose/index.ts';
import { MIGRATIONS } from '../../src/migrations.ts';
import { readEnvironment } from '../../src/config/environment.ts';
import { Config, type ConfigInput } from '../../src/config/schema.ts';
import { loadPage } from '../../src/surfaces/page/index.ts';
import { type TestDatabase, testDatabase } from '../../src/testing/database.ts';
import { memoryLog } from '../../src/testing/log.ts';

export interface InProcess {
  readonly composition: Composition;
  readonly database: TestDatabase;
  readonly home: string;
  /** Stops what can have been started by hand, and removes the rest. */
  end(): Promise<void>;
}

/** Everything composed as for serving, on a database of its own. Nothing is started: no made-up input reaches the machine. */
export async function composeInProcess(
  options: {
    readonly config?: ConfigInput;
    readonly now?: () => Date;
    /** With the dashboard, for a browser. */
    readonly page?: boolean;
  } = {},
): Promise<InProcess> {
  const database = await testDatabase({ migrations: MIGRATIONS });
  const home = await mkdtemp(join(tmpdir(), 'steward-composed-'));
  const parsed = Config.parse({
    machine: { watch: false },
    ...options.config,
    server: { port: 0, ...options.config?.server },
  });
  const config = { ...parsed, server: { ...parsed.server, requestsPerMinute: 10_000_000 } };
  const composition = compose({
    version: '0.0.0-test',
    node: { id: 'nod_test', name: 'n1' },
    home,
    environment: readEnvironment(),
    config: {
      current: () => ({ config, file: '', source: 'defaults', written: {}, origins: new Map() }),
      rejected: () => undefined,
      subscribe: () => () => undefined,
    },
    store: database.store,
    auditKey: randomBytes(32),
    vaultKey: randomBytes(32),
    osUser: 'ada',
    ...(options.page && { page: await loadPage() }),
    ownPids: () => [],
    log: memoryLog(),
    now: options.now ?? (() => new Date()),
  });
  return {
    composition,
    database,
    home,
    async end() {
      await composition.rest.close();
      await composition.identity.stop();
      await composition.audit.stop();
      await database.drop();
      await rm(home, { recursive: true });
    },
  };
}
