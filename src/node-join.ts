import { hostname } from 'node:os';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { keepDatabaseUrl } from './config/database-url.ts';
import type { Environment } from './config/environment.ts';
import { openHome, runningServer } from './config/home.ts';
import { auditKey, nodeId, takeVaultKey } from './config/keys.ts';
import { configLocation, loadConfig } from './config/load.ts';
import { StewardError } from './core/errors.ts';
import { type Admission, admit, HandOver } from './engine/join.ts';
import { open, parseJoinToken } from './engine/join-token.ts';
import { assertRestored } from './restore-home-mark.ts';
import type { Store } from './store/store.ts';

const ANSWER_WITHIN_MS = 15_000;

export interface JoinRequest {
  readonly token: string;
  /** A node that runs, which hands out the address of the database. */
  readonly address?: string | undefined;
  readonly databaseUrl?: string | undefined;
}

export interface Joined {
  readonly node: string;
  readonly name: string;
  readonly done: readonly string[];
}

/** Makes this home one of a node of a store that has others. Nothing is written here where it is refused. */
export async function joinNode(environment: Environment, request: JoinRequest): Promise<Joined> {
  const running = await runningServer(environment.home);
  if (running)
    throw new StewardError('HOME_IN_USE', `A Steward runs from ${environment.home} (process ${running.pid}).`, {
      hint: 'Stop it first; it joins when it starts again.',
    });
  const databaseUrl =
    request.databaseUrl ??
    (request.address === undefined ? undefined : await fetchDatabaseUrl(request.address, request.token));
  if (databaseUrl === undefined)
    throw new StewardError('INPUT_INVALID', 'Neither a node that runs nor the address of the database was given.', {
      hint: 'steward node join https://first-node:3000 --token ..., or --database-url postgresql://... --token ...',
    });
  const [{ MIGRATIONS }, { openStore }, { createAudit }, { version }, { assertWelcome }] = await Promise.all([
    import('./migrations.ts'),
    import('./store/store.ts'),
    import('./systems/audit/index.ts'),
    import('./version.ts'),
    import('./engine/join.ts'),
  ]);
  const now = (): Date => new Date();
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const home = await openHome(environment.home, now());
  try {
    await assertRestored(home.path);
    const { config } = await loadConfig(configLocation(environment), environment);
    const applicant = { id: await nodeId(home.path), name: config.node.name ?? hostname(), token: request.token };
    const store = await openStore({
      home: home.path,
      databaseUrl,
      migrations: MIGRATIONS,
      stewardVersion: version,
      log,
      now,
      poolSize: 2,
      beforeMigrating: (db) => assertWelcome(db, applicant),
    });
    try {
      const admission = await admit(store, { ...applicant, version });
      const audit = createAudit({
        store,
        key: await auditKey(home.path),
        checkpointFile: join(home.path, 'audit-checkpoints.jsonl'),
        node: applicant.name,
        now,
        log,
      });
      await audit.start();
      const done = await settle(home.path, databaseUrl, admission);
      await audit.append(joinedEntry(applicant, admission));
      await audit.stop();
      return { node: applicant.id, name: applicant.name, done };
    } finally {
      await store.close();
    }
  } finally {
    await home.release();
  }
}

/** What stays of a join: the address of the store, and the key that the nodes of a store share. */
export async function settle(home: string, databaseUrl: string, { how, handOver }: Admission): Promise<string[]> {
  if (how === 'known') return ['This node was one of the store already.'];
  await keepDatabaseUrl(home, databaseUrl);
  if (handOver) await takeVaultKey(home, handOver.vaultKey);
  const own = await access(join(home, 'pg', 'data')).then(
    () => true,
    () => false,
  );
  return [
    how === 'first' ? 'It is the first node of this store.' : 'It is one of the nodes of the store.',
    `The address of the database is kept in ${join(home, 'database-url')}, readable by its owner alone.`,
    ...(own ? [`What this Steward had kept by itself stays in ${join(home, 'pg')} and is not used any more.`] : []),
    'Start it with npm start.',
  ];
}

export function joinedEntry({ id, name }: { id: string; name: string }, { how, invitation }: Admission) {
  return {
    action: 'node.joined',
    actor: { kind: 'system', id: 'system:steward', name: 'steward', role: 'admin' },
    subject: { kind: 'node', id },
    outcome: 'succeeded',
    from: 'local',
    detail: { name, how, ...(invitation !== undefined && { invitation }) },
  } as const;
}

/** The gate of a start: who is not welcome is refused before it could change anything. */
export async function enter(
  store: Store,
  home: string,
  applicant: {
    readonly id: string;
    readonly name: string;
    readonly token?: string | undefined;
    readonly version: string;
  },
): Promise<Admission | undefined> {
  // A store on a socket of this home belongs to this home.
  if (store.mode === 'bundled') return undefined;
  const admission = await admit(store, applicant);
  if (admission.how === 'invited') await settle(home, store.databaseUrl, admission);
  return admission;
}

async function fetchDatabaseUrl(address: string, text: string): Promise<string> {
  const token = parseJoinToken(text);
  if (!/^https?:\/\/[^/]/.test(address))
    throw new StewardError('INPUT_INVALID', `'${address}' is no address of a Steward.`, {
      hint: 'Expected something like https://first-node:3000.',
    });
  // The secret stays here: what is fetched is of use to nobody who does not have it.
  const url = `${address.replace(/\/+$/, '')}/api/v1/node-invitations/${token.id}`;
  let response: Response;
  try {
    response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  } catch (cause) {
    const reason = (cause as { cause?: { code?: string } }).cause?.code ?? (cause as Error).message;
    throw new StewardError('UNAVAILABLE', `Nothing answers at ${address} (${reason}).`, {
      hint: 'See whether that node runs and can be reached from here; or join with --database-url.',
      cause,
    });
  }
  if (response.status === 404)
    throw new StewardError('FORBIDDEN', `${address} knows no such invitation: it was used, or has expired.`, {
      hint: 'Make another one there: steward node invite',
    });
  const body = (await response.json().catch(() => undefined)) as { sealed?: unknown } | undefined;
  if (!response.ok || typeof body?.sealed !== 'string')
    throw new StewardError('UNAVAILABLE', `${address} answered ${response.status} and hands out no invitation.`, {
      hint: 'Check the address.',
    });
  return HandOver.parse(JSON.parse(open(token, body.sealed))).databaseUrl;
}
