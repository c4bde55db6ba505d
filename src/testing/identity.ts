import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVault } from '../adapters/vault/index.ts';
import type { Actor } from '../core/actor.ts';
import type { AuditEntry } from '../core/audit.ts';
import type { Call } from '../core/operation.ts';
import { perform } from '../surfaces/perform.ts';
import { insertUser } from '../systems/identity/accounts.ts';
import { createIdentity, type IdentityDeps, type IdentitySystem } from '../systems/identity/index.ts';
import { hashPassword } from '../systems/identity/secrets.ts';
import { openSession } from '../systems/identity/sessions.ts';
import { identityMigrations, type IdentityTables } from '../systems/identity/tables.ts';
import { testDatabase, type TestDatabase } from './database.ts';

export const PASSWORD = 'correct horse battery';
export const FROM = '192.0.2.7';

export interface IdentityFixture {
  readonly identity: IdentitySystem;
  readonly database: TestDatabase;
  readonly audited: AuditEntry[];
  readonly home: string;
  now(): Date;
  /** Lets so many seconds pass. */
  later(seconds: number): void;
  /** One more on the same database, as after a restart. */
  open(more?: Partial<IdentityDeps>): IdentitySystem;
  /** As a surface performs it: permission, input, answer. */
  perform<T>(name: string, input: object, actor: Actor, origin?: string): Promise<T>;
  /** Whom the CLI of the machine acts for. */
  local(): Promise<Actor>;
  /** Makes the person and signs them in. */
  person(name: string, role?: Actor['role']): Promise<Actor>;
  events(): Promise<string[]>;
  end(): Promise<void>;
}

let hash: Promise<string> | undefined;

/** Identity on a database of its own, with a clock that stands still. */
export async function identityFixture(options: Partial<IdentityDeps> = {}): Promise<IdentityFixture> {
  const database = await testDatabase({ migrations: identityMigrations });
  const key = randomBytes(32);
  const home = await mkdtemp(join(tmpdir(), 'steward-identity-'));
  let clock = new Date('2026-11-20T12:00:00Z');
  const audited: AuditEntry[] = [];
  const audit = { append: async (entry: AuditEntry) => void audited.push(entry) };
  const open = (more: Partial<IdentityDeps> = {}): IdentitySystem =>
    createIdentity({
      store: database.store,
      audit,
      vault: createVault({ key }),
      setupLinkFile: join(home, 'setup-link'),
      cliTokenFile: join(home, 'cli-token'),
      osUser: 'ada',
      node: 'n1',
      now: () => clock,
      ...options,
      ...more,
    });
  const identity = open();
  await identity.start();
  const local = async (): Promise<Actor> => {
    const bearer = (await readFile(join(home, 'cli-token'), 'utf8')).trim();
    return (await identity.authenticate({ bearer, from: FROM })) as Actor;
  };
  const fixture: IdentityFixture = {
    identity,
    database,
    audited,
    home,
    now: () => clock,
    later: (seconds) => void (clock = new Date(clock.getTime() + seconds * 1_000)),
    open,
    async perform<T>(name: string, input: object, actor: Actor, origin?: string): Promise<T> {
      const operation = identity.operations.find((each) => each.name === name);
      if (!operation) throw new Error(`there is no operation ${name}`);
      const call: Call = { actor, now: clock, from: FROM, requestId: 'r1', origin };
      return (await perform(operation, input, call, audit)) as T;
    },
    local,
    async person(name, role = 'admin') {
      const db = database.store.db.withTables<IdentityTables>();
      const { user } = await insertUser(db, { name, role, password: null, createdBy: 'test', now: clock });
      // A hash takes as long as it does on purpose; the cost stands with it, and this one is cheap to check.
      hash ??= hashPassword(PASSWORD, { N: 2 ** 4, r: 8, p: 1 });
      await db
        .updateTable('users')
        .set({ password: await hash })
        .where('id', '=', user.id)
        .execute();
      return (await openSession(db, user, { from: FROM, now: clock })).actor;
    },
    events: async () => (await database.store.events.read()).map(({ type }) => type),
    async end() {
      await identity.stop();
      await database.drop();
      await rm(home, { recursive: true });
    },
  };
  return fixture;
}
