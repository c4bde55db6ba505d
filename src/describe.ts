import { compose } from './compose/index.ts';
import type { Environment } from './config/environment.ts';
import { Config } from './config/schema.ts';
import type { Catalog } from './core/catalog.ts';
import { inertStore } from './store/inert-store.ts';
import { version } from './version.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Every definition, composed as for serving, around a store that is not there. Starts nothing, opens nothing. */
export function describeCatalog(environment: Environment): Catalog {
  const config = Config.parse({});
  return compose({
    version,
    node: { id: 'none', name: 'none' },
    home: environment.home,
    environment,
    config: {
      current: () => ({ config, file: '', source: 'defaults', written: {}, origins: new Map() }),
      rejected: () => undefined,
      subscribe: () => () => undefined,
    },
    store: inertStore(),
    auditKey: Buffer.alloc(32),
    vaultKey: Buffer.alloc(32),
    osUser: 'none',
    ownPids: () => [],
    log: SILENT,
    now: () => new Date(0),
  }).catalog;
}
