import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, apiOf } from './kit/api.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward as command,
  stewardJson,
} from './kit/steward.ts';

interface Taken {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly eventId?: number;
  readonly replays: number;
  readonly data?: unknown;
}

interface Answer {
  readonly status: number;
  readonly body: { readonly status?: string; readonly id?: string; readonly error?: string };
  readonly allow: string | undefined;
}

const SECRET = 'bank-secret-7';
const ENV = { WEBHOOK_SECRET_BANK: SECRET };
const SENDERS = 64;

describe('the webhook receiver', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: SENDERS });
  let home: string;
  let port: number;
  let steward: RunningSteward;
  let api: Api;

  const config = (more = ''): string => `
discovery: { enabled: false }
webhooks:
  port: ${port}
  types:
    bank: { maxBytes: 65536 }
    github: { preset: github, secrets: [{ env: WEBHOOK_SECRET_BANK }] }
${more}
workflows:
  custom:
    - name: after-bank
      triggers: [{ event: webhook.received, where: [{ from: data.data.kind, equals: deposit }] }]
      steps: [{ id: look, automation: monitor-service, input: { service: all } }]
    - name: after-push
      triggers: [{ event: webhook.received, where: [{ from: data.data.ref, equals: refs/heads/main }] }]
      steps: [{ id: look, automation: monitor-service, input: { service: { from: context.data.repository.name } } }]
`;
  const begin = async (): Promise<void> => {
    steward = await startSteward({ home, env: ENV });
    api = apiOf(steward.url, readFileSync(join(home, 'cli-token'), 'utf8').trim());
  };
  const send = (
    body: string,
    headers: Record<string, string> = {},
    to = `http://127.0.0.1:${port}/bank`,
    method = 'POST',
  ) =>
    post(agent, to, method, body, {
      'content-type': 'application/json',
      'x-webhook-signature': createHmac('sha256', SECRET).update(body).digest('base64'),
      ...headers,
    });
  const one = (id: string): Promise<Taken> =>
    eventually(`webhook ${id} is in the store`, () => api.get<Taken>(`webhook-get?id=${id}`));

  beforeAll(async () => {
    port = await freePort();
    home = makeHome();
    await rewrite(home, config());
    await begin();
  }, 120_000);
  afterAll(async () => {
    agent.destroy();
    await steward?.stop();
    await removeHome(home);
  });

  it('takes what is signed, at its own port and under /hooks, and starts the workflow that waits for it', async () => {
    const direct = await send('{"kind":"deposit","amount":12,"password":"hunter2"}');
    expect(direct).toMatchObject({ status: 202, body: { status: 'queued' } });
    const alias = await send('{"kind":"other"}', {}, `${steward.url}/hooks/bank`);
    expect(alias).toMatchObject({ status: 202, body: { status: 'queued' } });

    const taken = await one(direct.body.id ?? '');
    expect(taken).toMatchObject({
      type: 'bank',
      state: 'told',
      data: { kind: 'deposit', amount: 12, password: '[redacted]' },
    });
    await one(alias.body.id ?? '');
    const { items } = await eventually('the workflow ran', async () => {
      const found = await api.get<{ items: { status: string; context?: unknown }[] }>(
        'automation/workflows/after-bank/executions',
      );
      return found.items.some(({ status }) => status === 'succeeded') ? found : undefined;
    });
    expect(items).toHaveLength(1);
  }, 60_000);

  it('starts a workflow by what a push of 200 KiB says, and gives it all of that', async () => {
    const body = JSON.stringify(aPush(200 * 1024));
    const taken = await send(
      body,
      {
        'x-hub-signature-256': `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`,
        'x-github-event': 'push',
        'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958',
      },
      `http://127.0.0.1:${port}/github`,
    );
    expect(taken.status).toBe(202);
    const execution = await eventually('the workflow ended', async () => {
      const { items } = await api.get<{ items: { id: string; status: string }[] }>(
        'automation/workflows/after-push/executions',
      );
      const [first] = items;
      return first && first.status !== 'running' ? await api.get<Pushed>(`workflow-executions/${first.id}`) : undefined;
    });
    expect(execution.status).toBe('succeeded');
    const { commits } = execution.context.data;
    expect(commits.at(-1)?.message).toMatch(/^commit \d+$/);
    expect(commits).toEqual(aPush(200 * 1024).commits);
    expect(execution.context.id).toBe(taken.body.id);
  }, 60_000);

  it('refuses what it should, the same under both addresses', async () => {
    for (const base of [`http://127.0.0.1:${port}`, `${steward.url}/hooks`]) {
      const at = `${base}/bank`;
      expect(await send('', {}, at, 'GET')).toMatchObject({
        status: 405,
        allow: 'POST',
        body: { error: 'Method not allowed' },
      });
      expect(await send('{"a":', {}, at)).toMatchObject({ status: 400 });
      expect(await send('{}', { 'x-webhook-signature': 'AAAA' }, at)).toMatchObject({ status: 401 });
      expect(await send('{}', {}, `${base}/unknown`)).toMatchObject({ status: 401 });
      expect(await send(JSON.stringify('x'.repeat(70_000)), {}, at)).toMatchObject({ status: 413 });
      expect(await send('{}', { 'content-type': 'text/plain' }, at)).toMatchObject({ status: 415 });
    }
  });

  it('keeps a repeat once, and tells of it again when it is asked to', async () => {
    const first = await send('{"kind":"once"}', { 'x-webhook-id': 'm-1' });
    const repeat = await send('{"kind":"once"}', { 'x-webhook-id': 'm-1' });
    expect(repeat).toEqual(first);
    const id = first.body.id ?? '';
    const before = await one(id);
    const replayed = await stewardJson<Taken>(home, ['webhooks', 'replay', id]);
    expect(replayed).toMatchObject({ id, replays: 1 });
    expect(replayed.eventId).toBeGreaterThan(before.eventId ?? Infinity);
    const { stdout } = await command(home, ['webhooks', 'list', '--type', 'bank']);
    expect(stdout.split(id)).toHaveLength(2);
  }, 60_000);

  it('keeps what nobody can be told of as dead, and goes on with what comes after it', async () => {
    const deep = await send(`${'['.repeat(30_000)}${']'.repeat(30_000)}`);
    const next = await send('{"kind":"after"}');
    expect(deep.status).toBe(202);
    expect(await one(next.body.id ?? '')).toMatchObject({ state: 'told', data: { kind: 'after' } });
    expect(await one(deep.body.id ?? '')).toMatchObject({ state: 'dead', data: null });
    const { code, stderr } = await command(home, ['webhooks', 'replay', deep.body.id ?? '']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('Nothing can be told of it');
  }, 60_000);

  it('takes a new type and another secret as soon as the file is saved', async () => {
    const fresh = () =>
      send(
        '{}',
        { 'x-webhook-signature': createHmac('sha256', SECRET).update('{}').digest('base64') },
        `http://127.0.0.1:${port}/expense`,
      );
    expect(await fresh()).toMatchObject({ status: 401 });
    await rewrite(home, config('    expense: { secrets: [{ env: WEBHOOK_SECRET_BANK }] }'));
    await eventually('the type is known', async () => ((await fresh()).status === 202 ? true : undefined));
  }, 60_000);

  it('asks senders to come again while a secret was never readable, and takes by the last one that was', async () => {
    const file = join(home, 'gift-secret');
    await rewrite(home, config(`    gift: { secrets: [{ file: ${file} }] }`));
    const status = async (): Promise<number> => (await send('{}', {}, `http://127.0.0.1:${port}/gift`)).status;
    await eventually('the type is known', async () => ((await status()) === 503 ? true : undefined));
    const incident = (): Promise<{ status: string; symptom: string; title: string } | undefined> =>
      api
        .get<{ items: { status: string; symptom: string; title: string }[] }>('incidents?limit=100')
        .then(({ items }) => items.find(({ symptom }) => symptom === 'webhooks.unreadable'));
    await eventually('it is an incident', async () => ((await incident())?.status === 'open' ? true : undefined));
    await writeFile(file, SECRET, { mode: 0o600 });
    await eventually('the secret is read', async () => ((await status()) === 202 ? true : undefined));
    await eventually('it is over', async () => {
      const found = await incident();
      return found === undefined || found.status === 'resolved' ? true : undefined;
    });
    await rm(file);
    const looked = await stewardJson<{ unreadable: string[] }>(home, ['webhooks', 'status']);
    expect(looked.unreadable).toEqual([]);
    await eventually('that it is gone was seen', async () => {
      const { unreadable } = await stewardJson<{ unreadable: string[] }>(home, ['webhooks', 'status']);
      return unreadable.includes('gift') ? true : undefined;
    });
    expect(await status()).toBe(202);
  }, 90_000);
});

interface Push {
  readonly ref: string;
  readonly repository: { readonly name: string; readonly full_name: string };
  readonly commits: readonly { readonly id: string; readonly message: string; readonly added: readonly string[] }[];
}
interface Pushed {
  readonly status: string;
  readonly context: { readonly id: string; readonly data: Push };
}

/** As GitHub sends it, with as many commits as it takes. */
function aPush(bytes: number): Push {
  const commits: Push['commits'][number][] = [];
  for (let size = 0, number = 0; size < bytes; number += 1) {
    const commit = {
      id: createHmac('sha1', '').update(String(number)).digest('hex'),
      message: `commit ${number}`,
      added: [`src/folder-${number}/file.ts`],
    };
    commits.push(commit);
    size += JSON.stringify(commit).length;
  }
  return { ref: 'refs/heads/main', repository: { name: 'all', full_name: 'acme/all' }, commits };
}

async function rewrite(home: string, text: string): Promise<void> {
  await writeFile(join(home, 'steward.yaml'), text);
}

async function post(
  agent: Agent,
  to: string,
  method: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const asked = request(to, { agent, method, headers: { ...headers, 'content-length': Buffer.byteLength(body) } });
  asked.on('error', reject);
  asked.on('response', (response) => {
    let text = '';
    response.on('data', (chunk: Buffer) => (text += chunk.toString()));
    response.on('error', reject);
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        body: JSON.parse(text) as Answer['body'],
        allow: response.headers.allow,
      }),
    );
  });
  asked.end(body);
  return await promise;
}
