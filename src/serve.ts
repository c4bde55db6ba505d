import { hostname, userInfo } from 'node:os';
import { createLog } from './adapters/log/index.ts';
import { createRecentLog } from './adapters/log/recent.ts';
import { compose } from './compose/index.ts';
import { MIGRATIONS } from './migrations.ts';
import { databaseUrlOf } from './config/database-url.ts';
import type { Environment } from './config/environment.ts';
import { openHome } from './config/home.ts';
import { auditKey, nodeId, vaultKey } from './config/keys.ts';
import { configLocation, loadConfig } from './config/load.ts';
import { watchConfig } from './config/watch.ts';
import { StewardError } from './core/errors.ts';
import { assertWelcome } from './engine/join.ts';
import { enter, joinedEntry } from './node-join.ts';
import { assertRestored, forgetMark, markOf, restoredEntry } from './restore-home-mark.ts';
import { openStore, type Store } from './store/store.ts';
import { ownPids } from './store/own-pids.ts';
import { loadPage } from './surfaces/page/index.ts';
import { version } from './version.ts';
import { inspectConfig } from './workflows-from-config.ts';

const STOP_WITHIN_MS = 20_000;
const IMPATIENT_AFTER_MS = 1_000;

export interface ServeOptions {
  readonly environment: Environment;
  readonly configFile?: string | undefined;
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** Serves until it is asked to stop. Resolves when everything has stopped; rejects where it could not start. */
export async function serve({ environment, configFile, stdout }: ServeOptions): Promise<void> {
  const now = (): Date => new Date();
  const say = (line: string): void => void stdout.write(`${line}\n`);
  const location = { ...configLocation(environment, configFile), inspect: inspectConfig };
  const undo: Undo[] = [];
  // From the first moment: who ends a start that takes long must not leave half of it behind.
  const stop = stopRequested();

  try {
    const home = await openHome(environment.home, now());
    undo.push({ what: 'the home', run: () => home.release() });
    await assertRestored(home.path);
    const initial = await loadConfig(location, environment);
    const ownLog = createRecentLog(now);
    const log = createLog({
      note: ownLog.note,
      level: initial.config.log.level,
      human: stdout.isTTY === true,
      write: (line) => void stdout.write(line),
    });
    if (initial.problem)
      log.error('configuration refused, the last good one is in force', { reason: initial.problem.message });

    const databaseUrl = await databaseUrlOf(environment);
    const node = { id: await nodeId(home.path), name: initial.config.node.name ?? hostname() };
    const applicant = { ...node, token: environment.joinToken };
    const store = await openStore({
      home: home.path,
      node: node.id,
      databaseUrl,
      ...(databaseUrl !== undefined && { beforeMigrating: (db) => assertWelcome(db, applicant) }),
      migrations: MIGRATIONS,
      stewardVersion: version,
      log,
      notify: say,
      now,
    });
    undo.push({ what: 'the store', run: () => store.close() });
    if (stop.requested()) return;
    say(`Store open (${store.mode === 'bundled' ? `bundled PostgreSQL in ${home.path}` : 'your PostgreSQL'})`);
    const admission = await enter(store, home.path, { ...applicant, version });
    if (admission?.how === 'invited') say(`Joined the nodes of the store as ${node.name}`);

    const config = await watchConfig({
      initial,
      location,
      overrides: environment.overrides,
      home: home.path,
      log,
      onLoaded: (change) => tell(store, node.id, 'config.loaded', { ...change }),
      onRejected: (error) =>
        tell(store, node.id, 'config.rejected', {
          message: error.message,
          problems: error.problems?.map(({ path, message }) => ({ path, message })),
        }),
    });
    undo.push({ what: 'the configuration', run: () => config.close() });

    const steward = compose({
      version,
      node,
      home: home.path,
      environment,
      config,
      store,
      auditKey: await auditKey(home.path),
      vaultKey: await vaultKey(home.path),
      osUser: userInfo().username,
      ownPids: () => ownPids(home.path),
      page: await loadPage(),
      log,
      ownLog,
      now,
      onRemoved: () => {
        say(`${node.name} was removed from the nodes of the store, so it stops. It can join again with an invitation.`);
        stop.now();
      },
    });
    undo.push({ what: 'the engine', run: () => steward.engine.stop() });
    await steward.engine.start();
    for (const system of steward.systems) {
      if (stop.requested()) return;
      undo.push({ what: system.name, run: () => system.stop() });
      await system.start();
    }
    undo.push({ what: 'the API', run: () => steward.rest.close() });
    const { url } = await steward.rest.listen();
    const publicUrl = config.current().config.server.publicUrl ?? url;
    await home.announce({ url });
    if (admission && admission.how !== 'known') await steward.audit.append(joinedEntry(node, admission));
    // By a restore that was killed before it could.
    const restore = await markOf(home.path);
    if (restore.is === 'whole') {
      if (restore.restored) await steward.audit.append(restoredEntry(restore.restored));
      await forgetMark(home.path);
    }
    await tell(store, node.id, 'steward.started', { version, url });
    await steward.audit.append({
      action: 'steward.started',
      actor: { kind: 'system', id: 'system:steward', name: 'steward', role: 'admin' },
      outcome: 'succeeded',
      from: 'local',
      detail: { version },
    });

    const { workflowsActive } = steward.engine.counts();
    say(`Watching services, healing what policy allows; ${workflowsActive} workflows are scheduled`);
    for (const notice of await steward.notices())
      say(`Note: ${notice.text}${notice.hint === undefined ? '' : ` ${notice.hint}`}`);
    say(`Steward ${version} is ACTIVE on ${publicUrl}`);
    const link = await steward.identity.setupLink(publicUrl);
    if (link !== undefined) say(`Make the first administrator here, once: ${link}`);

    await stop.done;
    say('Stopping');
    await tell(store, node.id, 'steward.stopped', { version }).catch(() => undefined);
  } finally {
    await unwind(undo);
  }
}

function tell(
  store: Store,
  node: string,
  type: 'steward.started' | 'steward.stopped' | 'config.loaded' | 'config.rejected',
  data: object,
): Promise<void> {
  return store.db.transaction().execute(async (trx) => {
    await store.events.append(trx, { type, data: JSON.parse(JSON.stringify(data)) as Record<string, string>, node });
  });
}

interface Undo {
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

/** Last first. One that hangs must not keep the others from stopping, nor the process from ending. */
async function unwind(steps: readonly Undo[]): Promise<void> {
  let stopping = '';
  const deadline = setTimeout(() => {
    process.stderr.write(`Stopping took longer than ${STOP_WITHIN_MS / 1_000} s: ${stopping} does not end.\n`);
    process.exit(1);
  }, STOP_WITHIN_MS);
  deadline.unref();
  for (const { what, run } of steps.toReversed()) {
    stopping = what;
    try {
      await run();
    } catch (thrown) {
      process.stderr.write(`While stopping ${what}: ${StewardError.from(thrown).message}\n`);
    }
  }
  clearTimeout(deadline);
}

/** The first signal asks. A later one of somebody who does not want to wait ends the process; PostgreSQL is adopted by the next. */
function stopRequested(): { readonly done: Promise<void>; requested(): boolean; now(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let since: number | undefined;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      since ??= performance.now();
      resolve();
      // Ctrl-C arrives twice at once where the launcher passes on what the terminal sent to both.
      if (performance.now() - since > IMPATIENT_AFTER_MS) process.exit(1);
    });
  }
  return {
    done: promise,
    requested: () => since !== undefined,
    now() {
      since ??= performance.now();
      resolve();
    },
  };
}
