import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { routesOf } from '../src/surfaces/rest/routes.ts';
import { composeInProcess } from './kit/composition.ts';

const { composition, home, end } = await composeInProcess();
const { app } = composition.rest;
let token = '';

beforeAll(async () => {
  await composition.identity.start();
  await app.ready();
  token = (await readFile(join(home, 'cli-token'), 'utf8')).trim();
});
afterAll(end);

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const INSTANTS = [
  '-271821-04-20T00:00:00.000Z',
  '+275760-09-13T00:00:00.000Z',
  '0000-01-01T00:00:00.000Z',
  '-004800-01-01T00:00:00.000Z',
];
const TEXTS = ['\0', '\uD800', 'x'.repeat(100), "' or 1=1 --"];
const NUMBERS = [1e300, -1, 2 ** 63, 0.5];
const FORGED = [
  '',
  '_',
  '~',
  'x',
  '9',
  '99999999999999999999',
  '-1',
  'bnVsbA',
  encoded({}),
  encoded([]),
  encoded(null),
  encoded('x'),
  ...INSTANTS.flatMap((at) => [
    at,
    `${at}_x`,
    `${at}~x`,
    encoded({ at, id: 'x', channel: 'x' }),
    encoded([at, 'x', 1]),
    encoded({ at }),
  ]),
  ...TEXTS.flatMap((text) => [
    text,
    `2026-01-01T00:00:00.000Z_${text}`,
    `2026-01-01T00:00:00.000Z~${text}`,
    encoded({ at: '2026-01-01', id: text, channel: text }),
    encoded(['2026-01-01', text, 1]),
  ]),
  ...NUMBERS.flatMap((number) => [
    String(number),
    encoded(['2026-01-01', 'x', number]),
    encoded({ at: number, id: 'x', channel: 'x' }),
  ]),
];

describe('whoever forges', () => {
  const paged = routesOf(composition.catalog).filter(
    ({ operation, method }) => method === 'GET' && 'cursor' in operation.input.shape,
  );

  it.each(paged.map(({ path }) => path))('a cursor of %s learns that it is none', async (path) => {
    const address = path.replace('{type}', 'run').replaceAll(/\{[^}]+\}/g, 'health_check');
    for (const cursor of FORGED) {
      const service = path.endsWith('service-history') ? '&service=x' : '';
      const answer = await app.inject({
        url: `${address}?cursor=${encodeURIComponent(cursor.toWellFormed())}${service}`,
        headers: { authorization: `Bearer ${token}` },
      });
      expect(answer.statusCode, `${cursor}: ${answer.body}`).toBeLessThan(500);
    }
  });

  it.each([
    ['lists in lists', `${'['.repeat(60_000)}${']'.repeat(60_000)}`],
    ['objects in objects', `${'{"a":'.repeat(60_000)}1${'}'.repeat(60_000)}`],
  ])('%s without end is told so', async (_what, deep) => {
    for (const [url, body] of [
      ['/api/v1/events', `{"type":"user.registered","data":{"deep":${deep}}}`],
      ['/api/v1/automations/monitor-service/plan', `{"input":${deep}}`],
      ['/api/v1/login', deep],
    ] as const) {
      const answer = await app.inject({
        method: 'POST',
        url,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        payload: body,
      });
      expect(answer.statusCode, `${url}: ${answer.body.slice(0, 300)}`).toBe(400);
    }
  });
});

describe('an agent', () => {
  const ask = async (name: string, payload: object, bearer: string) =>
    await app.inject({
      method: 'POST',
      url: `/api/v1/${name}`,
      headers: { authorization: `Bearer ${bearer}` },
      payload,
    });

  it.each([
    ['create-token', { name: 'mine', role: 'viewer' }],
    ['revoke-token', { id: 'x' }],
    ['adopt-service', { id: 'x' }],
    ['ignore-service', { id: 'x' }],
    ['approve-run', { id: 'x', planHash: 'x' }],
    ['reject-run', { id: 'x' }],
    ['node-heartbeat', { id: 'x' }],
    ['create-user', { name: 'eve' }],
  ])('is refused %s before anything is looked at', async (name, input) => {
    const agent = (await ask('create-token', { name: 'bot', role: 'agent' }, token)).json<{ token: string }>().token;

    const answer = await ask(name, input, agent);

    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toMatchObject({ error: { code: 'FORBIDDEN', hint: expect.any(String) } });
  });
});
