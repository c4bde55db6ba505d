import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Role } from '../src/core/actor.ts';
import { insertToken } from '../src/systems/identity/tokens.ts';
import type { IdentityTables } from '../src/systems/identity/tables.ts';
import { composeInProcess } from './kit/composition.ts';

const under = '/api/v1/automation';

/** Written down here once more, by hand: what was promised must not follow from what there is. */
const PROMISED: readonly (readonly [method: string, path: string])[] = [
  ['GET', `${under}/status`],
  ['GET', `${under}/workflows`],
  ['POST', `${under}/workflows/nothing-of-that-name/execute`],
  ['GET', `${under}/workflows/on_user_register/executions`],
  ['GET', `${under}/scaling/metrics`],
  ['GET', `${under}/scaling/history`],
  ['GET', `${under}/health`],
  ['GET', `${under}/intelligence/insights`],
  ['GET', `${under}/intelligence/suggestions`],
  ['POST', `${under}/intelligence/suggestions/1/apply`],
  ['GET', `${under}/discovery/services`],
  ['GET', `${under}/discovery/history`],
  ['POST', `${under}/discovery/scan`],
  ['GET', `${under}/registry/nodes`],
  ['GET', `${under}/registry/topology`],
  ['POST', `${under}/registry/nodes/nod_test/heartbeat`],
  ['GET', `${under}/audit/logs`],
  ['GET', `${under}/audit/security-events`],
  ['GET', `${under}/audit/statistics`],
  ['GET', `${under}/audit/trail/token/tok_1`],
  ['POST', '/api/automation/health-check/start'],
  ['POST', '/api/automation/health-check/stop'],
  ['GET', '/api/automation/status'],
  ['GET', '/api/automation/reports/health'],
  ['GET', '/api/automation/reports/performance'],
  ['GET', '/api/automation/reports/security'],
  ['POST', '/github'],
  ['POST', '/internal/queue/add'],
  ['POST', '/internal/metrics/healthcheck'],
  ['POST', '/auth/validate'],
  ['GET', '/gateway/any/thing'],
];

describe('the promised addresses', () => {
  let composed: Awaited<ReturnType<typeof composeInProcess>>;
  let url: string;
  const tokens = new Map<Role, string>();
  const ask = async (method: string, path: string, token?: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    });
    const body = (await response.json()) as { error?: { code: string; message: string; hint?: string } };
    return { status: response.status, headers: response.headers, body };
  };

  beforeAll(async () => {
    composed = await composeInProcess();
    const { composition, database } = composed;
    await composition.identity.start();
    const db = database.store.db.withTables<IdentityTables>();
    for (const role of ['viewer', 'admin'] as const) {
      const made = { name: role, role, createdBy: 'test', expiresAt: null, now: new Date() };
      tokens.set(role, (await insertToken(db, made)).token);
    }
    ({ url } = await composition.rest.listen());
  });
  afterAll(() => composed.end());

  it('are thirty-one', () => expect(PROMISED).toHaveLength(31));

  it.each([...PROMISED, ['POST', '/api/alerts'] as const])(
    '%s %s asks who it is, and then answers or says what is missing',
    async (method, path) => {
      const stranger = await ask(method, path);
      expect([stranger.status, stranger.body.error?.code]).toEqual([401, 'UNAUTHENTICATED']);

      const { status, headers, body } = await ask(method, path, tokens.get('admin'));

      // A thing may be missing behind an address that is there.
      const thing = [['nothing-of-that-name', 'workflow'] as const, ['nod_test', 'node'] as const];
      const about = thing.find(([id]) => path.includes(id))?.[1];
      if (about !== undefined && status === 404) expect(body.error?.message).toContain(`There is no ${about}`);
      else expect([404, 405, 500]).not.toContain(status);
      if (status === 501) {
        expect(body.error).toMatchObject({
          code: 'NOT_IMPLEMENTED',
          message: expect.stringMatching(/comes with .+, which this Steward does not have/),
          hint: expect.stringContaining('Meanwhile: '),
        });
      }
      if (path.startsWith('/api/automation/')) {
        expect(headers.get('deprecation')).toBe('@1767225600');
        expect(headers.get('link')).toBe(`<${path.replace('/api/', '/api/v1/')}>; rel="successor-version"`);
      }
    },
  );

  it('tell what is missing to those only who might ask for it', async () => {
    const { status } = await ask('GET', `${under}/reports/security`, tokens.get('viewer'));
    expect(status).toBe(403);
    expect((await ask('POST', '/github', tokens.get('viewer'))).status).toBe(403);
    expect((await ask('GET', `${under}/scaling/history`, tokens.get('viewer'))).status).toBe(501);
  });

  it('leave what was never promised where it is: nowhere', async () => {
    expect((await ask('GET', '/github', tokens.get('admin'))).status).toBe(404);
    expect((await ask('POST', '/git/hub', tokens.get('admin'))).status).toBe(404);
  });

  it('fail in the standard shape of problems for who asks for it', async () => {
    const { status, headers, body } = await ask('GET', `${under}/scaling/metrics`, tokens.get('viewer'), {
      accept: 'application/problem+json, application/json;q=0.9',
    });

    expect([status, headers.get('content-type')]).toEqual([501, 'application/problem+json; charset=utf-8']);
    expect(body).toMatchObject({
      type: 'urn:steward:error:not-implemented',
      title: 'Not implemented',
      status: 501,
      detail: expect.stringContaining('comes with scaling'),
      instance: expect.stringMatching(/^urn:uuid:/),
      code: 'NOT_IMPLEMENTED',
      hint: expect.stringContaining('Meanwhile'),
    });
  });
});
