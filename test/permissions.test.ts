import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Role, type Scope } from '../src/core/actor.ts';
import { routesOf } from '../src/surfaces/rest/routes.ts';
import { insertUser } from '../src/systems/identity/accounts.ts';
import { openSession } from '../src/systems/identity/sessions.ts';
import type { IdentityTables } from '../src/systems/identity/tables.ts';
import { insertToken } from '../src/systems/identity/tokens.ts';
import { composeInProcess } from './kit/composition.ts';

const PAGE = resolve(import.meta.dirname, '../docs/reference/permissions.md');
const SCOPES = {
  token: undefined,
  'token for reading': { permissions: ['read'] },
  'token for run*': { operations: ['run*'] },
} as const satisfies Record<string, Scope | undefined>;
type Credential = keyof typeof SCOPES | 'session';

interface Row {
  readonly name: string;
  readonly kind: string;
  readonly permission: string;
  readonly cells: Readonly<Record<Role, string>>;
}

/** The table that people read is what the answers are held against. */
async function pinned(): Promise<Row[]> {
  const text = await readFile(PAGE, 'utf8');
  const lines = text.slice(text.indexOf('| operation |')).split('\n').slice(2);
  return lines
    .filter((line) => line.startsWith('|'))
    .map((line) => {
      const [name = '', kind = '', permission = '', ...cells] = line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim());
      const byRole = Object.fromEntries(Role.options.map((role, index) => [role, cells[index] ?? '?']));
      return { name: name.replaceAll('`', ''), kind, permission, cells: byRole as Row['cells'] };
    });
}

function expected({ name, permission, cells }: Row, role: Role, credential: Credential): boolean {
  const cell = cells[role];
  if (credential === 'session') return cell !== '';
  const { permissions, operations }: Scope = SCOPES[credential] ?? {};
  if (permissions && !permissions.includes(permission as never)) return false;
  if (operations && !name.startsWith('run')) return false;
  return cell === 'yes';
}

describe('the table of permissions', () => {
  let composed: Awaited<ReturnType<typeof composeInProcess>>;
  const headers = new Map<string, Record<string, string>>();

  beforeAll(async () => {
    composed = await composeInProcess();
    const { composition, database } = composed;
    await composition.identity.start();
    await composition.rest.app.ready();
    const db = database.store.db.withTables<IdentityTables>();
    const now = new Date();
    for (const role of Role.options) {
      const { user } = await insertUser(db, { name: role, role, createdBy: 'test', now });
      const { session } = await openSession(db, user, { from: '127.0.0.1', now });
      headers.set(`${role} session`, { cookie: `steward_session=${session}`, origin: 'http://localhost' });
      for (const [credential, scope] of Object.entries(SCOPES)) {
        const made = await insertToken(db, { name: credential, role, scope, createdBy: 'test', expiresAt: null, now });
        headers.set(`${role} ${credential}`, { authorization: `Bearer ${made.token}` });
      }
    }
  });
  afterAll(() => composed.end());

  /** An input that nothing accepts: whoever may ask is told so, and nothing happens. */
  async function ask({ name, kind }: Row, who: string): Promise<number> {
    const { catalog, rest } = composed.composition;
    const operation = routesOf(catalog).find((route) => route.operation.name === name);
    const path = kind === 'automation' ? `/api/v1/automations/${name}/runs` : `/api/v1/${name}`;
    const method = operation?.method ?? 'POST';
    const { statusCode } = await rest.app.inject({
      method,
      url: method === 'GET' ? `${path}?no-such-member=1` : path,
      headers: { host: 'localhost', ...headers.get(who) },
      ...(method === 'POST' && { payload: kind === 'automation' ? { input: [] } : [] }),
    });
    return statusCode;
  }

  it('names everything there is', async () => {
    const { catalog } = composed.composition;

    const names = (await pinned()).map(({ name }) => name);

    expect(names.toSorted()).toEqual(
      [...catalog.operations.keys(), ...catalog.automations.keys(), 'events-stream'].toSorted(),
    );
  });

  it.each(['session', ...(Object.keys(SCOPES) as (keyof typeof SCOPES)[])] as Credential[])(
    'is what every role gets with a %s',
    async (credential) => {
      const wrong: string[] = [];
      for (const row of (await pinned()).filter(({ kind }) => kind !== 'stream')) {
        for (const role of Role.options) {
          const status = await ask(row, `${role} ${credential}`);
          const right = expected(row, role, credential) ? 400 : 403;
          if (status !== right) wrong.push(`${row.name}: ${role} ${credential} got ${status} instead of ${right}`);
        }
      }
      expect(wrong).toEqual([]);
    },
    60_000,
  );

  it('holds for the stream of events', async () => {
    const { url } = await composed.composition.rest.listen();
    const row = (await pinned()).find(({ kind }) => kind === 'stream') as Row;
    for (const role of Role.options) {
      for (const credential of ['session', ...Object.keys(SCOPES)] as Credential[]) {
        const ended = new AbortController();
        const { status } = await fetch(`${url}/api/v1/events/stream`, {
          headers: headers.get(`${role} ${credential}`) ?? {},
          signal: ended.signal,
        });
        ended.abort();
        expect([role, credential, status]).toEqual([role, credential, expected(row, role, credential) ? 200 : 403]);
      }
    }
  });

  it('keeps every refusal in the audit log', async () => {
    const { rows } = await composed.database.store.pool.query<{ count: string }>(
      `select count(*) from audit_log where entry::text like '%access.refused%'`,
    );
    const refusals = (await pinned()).flatMap((row) =>
      Role.options.flatMap((role) =>
        (['session', ...Object.keys(SCOPES)] as Credential[]).filter((each) => !expected(row, role, each)),
      ),
    );

    expect(Number(rows[0]?.count)).toBe(refusals.length);
  });
});
