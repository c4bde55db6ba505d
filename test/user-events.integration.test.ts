import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, apiOf } from './kit/api.ts';
import { eventually, makeHome, type RunningSteward, startSteward } from './kit/steward.ts';

interface Execution {
  readonly status: string;
  readonly steps: readonly {
    readonly id: string;
    readonly status: string;
    readonly runId?: string;
    readonly message?: string;
  }[];
}

interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** An application that Steward calls, and what arrived there. */
describe('what an application reports', () => {
  const received: Received[] = [];
  let application: Server;
  let steward: RunningSteward;
  let api: Api;
  let home: string;

  beforeAll(async () => {
    application = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        received.push({ method: request.method, url: request.url, headers: request.headers, body });
        response.statusCode = request.url?.startsWith('/broken') ? 500 : 201;
        response.end(`you are ${request.headers.authorization ?? 'nobody'}`);
      });
    }).listen(0, '127.0.0.1');
    await once(application, 'listening');
    const base = `http://127.0.0.1:${(application.address() as AddressInfo).port}`;
    home = makeHome(`
discovery: { enabled: false }
workflows:
  on_user_register:
    workspace:
      url: ${base}/users/{user.id}/workspace
      method: PUT
      headers: { authorization: { env: CRM_TOKEN } }
      allowPrivate: true
    welcome: { url: ${base}/broken, allowPrivate: true }
  on_content_publish:
    preview: { url: http://127.0.0.1:9/preview }
    webhooks: { url: ${base}/hooks, allowPrivate: true }
`);
    steward = await startSteward({ home, env: { CRM_TOKEN: 'Bearer crm-secret-9' } });
    api = apiOf(steward.url, readFileSync(join(home, 'cli-token'), 'utf8').trim());
  }, 90_000);
  afterAll(async () => {
    await steward?.stop();
    application?.close();
    rmSync(home, { recursive: true, force: true });
  });

  const ended = (workflow: string): Promise<Execution> =>
    eventually(
      `${workflow} ends`,
      async () => {
        const { items } = await api.get<{ items: Execution[] }>(`automation/workflows/${workflow}/executions`);
        return items.find(({ status }) => status !== 'running');
      },
      60_000,
    );
  const step = (execution: Execution, id: string) => execution.steps.find((one) => one.id === id);

  it('calls the steps of a new user, skips what nobody configured, and a welcome that fails undoes nothing', async () => {
    expect(await api.post('events', { type: 'user.registered', data: { user: { id: 'eve/1' } } })).toMatchObject({
      starts: ['on_user_register'],
    });

    const execution = await ended('on_user_register');

    expect(step(execution, 'workspace')).toMatchObject({ status: 'succeeded' });
    expect(step(execution, 'permissions')).toMatchObject({
      status: 'skipped',
      message: expect.stringContaining('workflows.on_user_register.permissions'),
    });
    expect(step(execution, 'welcome')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('answers 2xx'),
    });
    const [first] = received;
    expect(first).toMatchObject({
      method: 'PUT',
      url: '/users/eve%2F1/workspace',
      headers: { authorization: 'Bearer crm-secret-9', 'content-type': 'application/json' },
    });
    expect(first?.headers['idempotency-key']).toBe(`${step(execution, 'workspace')?.runId}:call`);
    expect(JSON.parse(first?.body ?? '')).toMatchObject({ user: { id: 'eve/1' }, event: { type: 'user.registered' } });
  });

  it('keeps no secret that a receiver sent back, and says which rule let it call', async () => {
    const { steps } = await ended('on_user_register');
    const run = await api.get<Record<string, unknown>>(`runs/${steps[0]?.runId}`);
    expect(run).toMatchObject({ status: 'succeeded', decisionRule: 'configured-calls', output: { status: 201 } });
    expect(JSON.stringify(run)).not.toContain('crm-secret-9');
    expect(steward.output()).not.toContain('crm-secret-9');
  });

  it('calls no private address that nobody allowed, and goes on', async () => {
    await api.post('events', { type: 'content.published', data: { title: 'Hello' } });

    const execution = await ended('on_content_publish');

    expect(step(execution, 'preview')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('may be called'),
    });
    expect(step(execution, 'webhooks')).toMatchObject({ status: 'succeeded' });
    expect(received.at(-1)).toMatchObject({ method: 'POST', url: '/hooks' });
  });

  it('lets no caller of the API lend itself that permission, nor a secret', async () => {
    const refused = async (input: object): Promise<unknown> => {
      const { id } = await api.post<{ id: string }>('automations/call-http/runs', { input });
      return await eventually(
        'the run ends',
        async () => {
          const run = await api.get<{ status: string; error?: { message: string } }>(`runs/${id}`);
          return run.status === 'failed' ? run.error?.message : undefined;
        },
        30_000,
      );
    };
    const { port } = new URL(steward.url);
    expect(await refused({ url: `http://127.0.0.1:${port}/api/v1/status` })).toContain('may be called');
    expect(await refused({ url: 'http://169.254.169.254/latest' })).toContain('may be called');
    const { port: theirs } = application.address() as AddressInfo;
    expect(
      await refused({ url: `http://127.0.0.1:${theirs}/x`, headers: { authorization: { file: '/etc/shadow' } } }),
    ).toContain('may be sent to');
    expect(received.some(({ url }) => url === '/x')).toBe(false);
  });
});
