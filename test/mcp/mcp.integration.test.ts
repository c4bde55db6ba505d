import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, removeHome, type RunningSteward, startSteward, steward, stewardJson } from '../kit/steward.ts';
import { call, type Era, ERAS, overHttp, overStdio, refusal } from './client.ts';

interface RunSeen {
  readonly runId: string;
  readonly status: string;
  readonly next: string;
  readonly planHash?: string;
  readonly planToken?: string;
  readonly plan?: readonly { readonly title: string; readonly undo: string }[];
  readonly approval?: { readonly who: string; readonly where: string; readonly command: string };
  readonly untrusted?: Readonly<Record<string, unknown>>;
}

interface Recorded {
  readonly action: string;
  readonly outcome: string;
  readonly actor: { readonly name: string; readonly role: string };
  readonly subject?: { readonly id: string };
  readonly detail?: { readonly client?: string; readonly runId?: string; readonly arguments?: unknown };
}

const eras = Object.keys(ERAS) as Era[];
const ways = eras.flatMap((era) => [`http ${era}`, `stdio ${era}`] as const);

let home: string;
let folder: string;
let server: RunningSteward;
let agentToken: string;
const clients: Client[] = [];

async function connect(way: string, query = '', token = agentToken): Promise<Client> {
  const [how, era] = way.split(' ') as [string, Era];
  const client =
    how === 'http'
      ? await overHttp(`${server.url}/mcp${query}`, token, era)
      : await overStdio(home, era, { env: { STEWARD_TOKEN: token } });
  clients.push(client);
  return client;
}

const tokenOf = async (role: string): Promise<string> =>
  (await stewardJson<{ token: string }>(home, ['token', 'create', '--role', role, '--name', `${role} of a test`]))
    .token;

const post = async (path: string, token: string, body: object, headers: Record<string, string> = {}) => {
  const response = await fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown> };
};

function writeOld(name: string): void {
  const old = new Date(Date.now() - 30 * 86_400_000);
  writeFileSync(join(folder, name), name);
  utimesSync(join(folder, name), old, old);
}

const input = (): object => ({ roots: [folder], olderThan: '1d' });
const planned = (client: Client, more: object = {}): Promise<RunSeen> =>
  call<RunSeen>(client, 'automation_run', { name: 'clean-temp-files', input: input(), ...more });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'stw-old-'));
  writeOld('one.tmp');
  writeOld('two.tmp');
  home = makeHome(`files:\n  roots: [${JSON.stringify(folder)}]\ndiscovery:\n  enabled: false\n`);
  server = await startSteward({ home });
  agentToken = readFileSync(join(home, 'agent-token'), 'utf8').trim();
}, 90_000);

afterAll(async () => {
  for (const client of clients) await client.close().catch(() => undefined);
  await server?.kill();
  await removeHome(home);
  rmSync(folder, { recursive: true, force: true });
});

describe.each(ways)('a client over %s', (way) => {
  let client: Client;
  beforeAll(async () => {
    client = await connect(way);
  });

  it('is told who serves it, how to behave, and what there is', async () => {
    expect(client.getServerVersion()).toMatchObject({ name: 'steward' });
    expect(client.getInstructions()).toContain('MANDATORY');
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'auto_monitor_service',
        'automation_search',
        'automation_run',
        'run_get',
        'run_cancel',
        'status',
      ]),
    );
    for (const { title, annotations, outputSchema } of tools) {
      expect(title).toBeTruthy();
      expect(Object.keys(annotations ?? {}).toSorted()).toEqual([
        'destructiveHint',
        'idempotentHint',
        'openWorldHint',
        'readOnlyHint',
      ]);
      expect(outputSchema?.type).toBe('object');
    }
  });

  it('finds out, and is told how far it is', async () => {
    expect(await call(client, 'status')).toMatchObject({ verdict: expect.any(String) as string });
    const found = await call<{ items: { name: string }[] }>(client, 'automation_search', { query: 'temporary files' });
    expect(found.items[0]?.name).toBe('clean-temp-files');
    const heard: string[] = [];
    const result = await client.callTool(
      { name: 'auto_monitor_service', arguments: { service: 'all' } },
      { onprogress: ({ message }) => void heard.push(message ?? '') },
    );
    expect(result.structuredContent).toMatchObject({ status: 'succeeded', untrusted: { output: { healthy: true } } });
    expect(heard.at(-1)).toContain('succeeded');
    expect(result.content).toContainEqual(expect.objectContaining({ type: 'resource_link' }));
  });

  it('reads pages and prompts, and is helped to fill them in', async () => {
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toEqual(
      expect.arrayContaining([
        'steward://status',
        'steward://runbook/restart-supervised',
        'steward://automation/restart-service',
      ]),
    );
    const { contents } = await client.readResource({ uri: 'steward://automation/restart-service' });
    expect(contents[0]).toMatchObject({
      mimeType: 'text/markdown',
      text: expect.stringContaining('# Restart a service') as string,
    });
    await expect(client.readResource({ uri: 'steward://run/run_none' })).rejects.toThrow(/not found/i);
    const prompt = await client.getPrompt({ name: 'propose_restart', arguments: { service: 'shop"}' } });
    expect(JSON.stringify(prompt.messages)).toContain(String.raw`shop\\\"}`);
    const { completion } = await client.complete({
      ref: { type: 'ref/resource', uri: 'steward://automation/{name}' },
      argument: { name: 'name', value: 'resta' },
    });
    expect(completion.values).toEqual(['restart-service']);
  });

  it('plans before it changes, and proposes to a person', async () => {
    // A plan that takes longer than somebody waits is asked for again.
    const begun = await planned(client, { waitSeconds: 0 });
    const key = /idempotencyKey (\S+)\.$/.exec(begun.next)?.[1];
    expect(begun.planToken).toBeUndefined();
    const plan = await planned(client, { idempotencyKey: key });
    expect(plan.runId).toBe(begun.runId);
    expect(plan).toMatchObject({
      status: 'succeeded',
      plan: [{ undo: 'automatic' }, { undo: 'automatic' }],
      planToken: expect.any(String) as string,
    });
    const proposed = await planned(client, { planToken: plan.planToken });
    expect(proposed).toMatchObject({
      status: 'waiting-approval',
      planHash: plan.planHash,
      approval: {
        who: expect.stringContaining('operator') as string,
        where: server.url,
        command: `steward run approve ${proposed.runId} ${plan.planHash}`,
      },
    });
    expect(existsSync(join(folder, 'one.tmp'))).toBe(true);
    // The token means this one run, however often it is sent.
    expect((await planned(client, { planToken: plan.planToken })).runId).toBe(proposed.runId);
    expect(await call(client, 'run_cancel', { id: proposed.runId, reason: 'only a test' })).toMatchObject({
      status: 'canceled',
    });
  });

  it('starts nothing but what the token was given for', async () => {
    const { planToken } = await planned(client);
    const other = await refusal(client, 'automation_run', {
      name: 'clean-temp-files',
      input: { roots: [folder], olderThan: '2d' },
      planToken,
    });
    expect(other.code).toBe('PLAN_STALE');
    const forged = await refusal(client, 'automation_run', {
      name: 'clean-temp-files',
      input: input(),
      planToken: `${planToken?.slice(0, -4)}AAAA`,
    });
    expect(forged.code).toBe('FORBIDDEN');
  });
});

describe('the same input', () => {
  it('reaches the same plan and the same run through REST, MCP in every way, and the CLI', async () => {
    const token = await tokenOf('agent');
    const env = { STEWARD_TOKEN: token, STEWARD_URL: server.url };
    const key = 'same-everywhere';
    const ids: string[] = [];
    const hashes: (string | undefined)[] = [];

    const rest = await post(
      '/api/v1/automations/clean-temp-files/plan',
      token,
      { input: input() },
      { 'idempotency-key': key },
    );
    ids.push(rest.body['id'] as string);
    const cliArgs = ['clean-temp-files', '--input', JSON.stringify(input())];
    const viaCli = await stewardJson<{ id: string; planHash: string }>(
      home,
      ['plan', ...cliArgs, '--idempotency-key', key],
      { env },
    );
    ids.push(viaCli.id);
    hashes.push(
      viaCli.planHash,
      (await stewardJson<{ planHash: string }>(home, ['plan', ...cliArgs], { env })).planHash,
    );

    let planToken: string | undefined;
    for (const way of ways) {
      const client = await connect(way, '', token);
      const again = await planned(client, { idempotencyKey: key });
      ids.push(again.runId);
      const anew = await planned(client);
      expect(ids).not.toContain(anew.runId);
      hashes.push(again.planHash, anew.planHash);
      ({ planToken } = again);
    }
    expect(new Set(ids).size).toBe(1);
    expect(new Set(hashes).size).toBe(1);

    const started: string[] = [];
    for (const way of ways)
      started.push((await planned(await connect(way, '', token), { idempotencyKey: key, planToken })).runId);
    const viaRest = await post(
      '/api/v1/automations/clean-temp-files/runs',
      token,
      { input: input(), planToken },
      { 'idempotency-key': key },
    );
    started.push(viaRest.body['id'] as string);
    const { stdout } = await steward(
      home,
      ['run', ...cliArgs, '--plan-token', planToken ?? '', '--idempotency-key', key, '--json'],
      { env },
    );
    started.push((JSON.parse(stdout) as { id: string }).id);
    expect(new Set(started).size).toBe(1);
    expect(started[0]).not.toBe(ids[0]);

    // A person lets it happen, and the assistant sees how it ends.
    const [id = ''] = started;
    await stewardJson(home, ['run', 'approve', id, hashes[0] ?? '']);
    const client = await connect('http 2026-07-28', '', token);
    expect(await call(client, 'run_get', { id, waitSeconds: 30 })).toMatchObject({
      status: 'succeeded',
      next: 'Done, and verified.',
    });
    expect(await call(client, 'run_get', { id, fields: ['trigger', 'untrusted.output'] })).toMatchObject({
      runId: id,
      trigger: 'mcp',
      untrusted: { note: expect.stringContaining('not from Steward') as string, output: { moved: 2 } },
    });
  }, 60_000);
});

describe('whoever asks', () => {
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} };
  const accept = { accept: 'application/json, text/event-stream' };

  it('needs a token, and is told how to bring one', async () => {
    const response = await fetch(`${server.url}/mcp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...accept },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    expect((await post('/mcp', 'stw_nobody', body, accept)).status).toBe(401);
  });

  it('comes under a name of this Steward, and from no page of others', async () => {
    expect((await post('/mcp', agentToken, body, accept)).status).toBe(200);
    expect((await post('/mcp', agentToken, body, { ...accept, origin: server.url })).status).toBe(200);
    expect((await post('/mcp', agentToken, body, { ...accept, origin: 'https://evil.example' })).status).toBe(403);
    expect((await post('/mcp', agentToken, body, { ...accept, origin: 'null' })).status).toBe(403);
  });

  it('is refused as the sender of nonsense, and not as the victim of a bug', async () => {
    const send = async (json: string): Promise<[number, unknown]> => {
      const response = await fetch(`${server.url}/mcp`, {
        method: 'POST',
        headers: { authorization: `Bearer ${agentToken}`, 'content-type': 'application/json', ...accept },
        body: JSON.stringify({
          ...body,
          method: 'tools/call',
          params: { name: 'status', arguments: { x: 0 } },
        }).replace('"x":0', `"x":${json}`),
      });
      return [response.status, ((await response.json()) as { error?: { code?: unknown } }).error?.code];
    };
    expect(await send(`${'['.repeat(200_000)}${']'.repeat(200_000)}`)).toEqual([400, 'INPUT_INVALID']);
    expect(await send(String.raw`"\u0000"`)).toEqual([400, 'INPUT_INVALID']);
  });

  it('is answered under the name of the older transport as well', async () => {
    const client = await overHttp(`${server.url}/sse`, agentToken, '2025-11-25');
    expect((await client.listTools()).tools.length).toBeGreaterThan(4);
    await client.close();
  });

  it('is at most an agent, whatever the token could do elsewhere', async () => {
    const admin = await connect(
      'http 2026-07-28',
      '?toolsets=all',
      readFileSync(join(home, 'cli-token'), 'utf8').trim(),
    );
    const names = (await admin.listTools()).tools.map(({ name }) => name);
    for (const never of [
      'approve_run',
      'reject_run',
      'create_token',
      'create_user',
      'users',
      'audit_logs',
      'adopt_service',
      'revoke_token',
    ])
      expect(names).not.toContain(never);
    await expect(admin.callTool({ name: 'approve_run', arguments: { id: 'run_x', planHash: 'x' } })).rejects.toThrow(
      'no tool',
    );
    // An admin's own run would start at once; here it becomes a proposal.
    writeOld('four.tmp');
    const waiting = await planned(admin, { planToken: (await planned(admin)).planToken });
    expect(waiting.status).toBe('waiting-approval');
    await call(admin, 'run_cancel', { id: waiting.runId, reason: 'only a test' });
  });

  it('does not get more than its token has', async () => {
    const viewer = await connect('http 2026-07-28', '?toolsets=all', await tokenOf('viewer'));
    const names = (await viewer.listTools()).tools.map(({ name }) => name);
    expect(names).toContain('incidents');
    expect(names).not.toContain('run_cancel');
    expect(names).not.toContain('probe_service');
    expect((await refusal(viewer, 'automation_run', { name: 'clean-temp-files', input: input() })).code).toBe(
      'FORBIDDEN',
    );
    expect((await refusal(viewer, 'probe_service', { service: 'shop' })).code).toBe('FORBIDDEN');
  });

  it('may only look where it said so, whatever it calls by name', async () => {
    const client = await connect('http 2026-07-28', '?toolsets=all&readonly=1');
    const { tools } = await client.listTools();
    expect(tools.filter(({ annotations }) => annotations?.readOnlyHint !== true)).toEqual([]);
    for (const [name, args] of [
      ['run_cancel', { id: 'run_1', reason: 'x' }],
      ['probe_service', { service: 'shop' }],
      ['execute_workflow', { id: 'health_check' }],
      ['automation_run', { name: 'clean-temp-files', input: input(), planToken: 'stp_anything' }],
    ] as const)
      expect(await refusal(client, name, args), name).toMatchObject({ code: 'FORBIDDEN' });
    expect((await planned(client)).planToken).toBeUndefined();
  });

  it('sees the toolsets that were asked for, and hears of the others by name', async () => {
    const client = await connect('http 2026-07-28', '?toolsets=incidents,discovery');
    const names = (await client.listTools()).tools.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['incidents', 'incident_get', 'services', 'topology']));
    expect(names).not.toContain('automation_run');
    expect(await call(client, 'services', { fields: ['name'] })).toMatchObject({
      untrusted: { note: expect.any(String) as string },
    });
    expect(await refusal(client, 'status')).toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('default') as string,
    });
    const unknown = await post('/mcp?toolsets=nonsense', agentToken, {});
    expect(unknown).toMatchObject({ status: 400, body: { error: { code: 'INPUT_INVALID' } } });
    expect((await post('/mcp', agentToken, [{}, {}])).status).toBe(400);
  });
});

describe.each(['http 2026-07-28', 'stdio 2025-11-25', 'stdio 2026-07-28'])(
  'a person before a client over %s',
  (way) => {
    const [how, era] = way.split(' ') as [string, Era];
    const asking = async (answer: object): Promise<{ client: Client; asked: string[] }> => {
      const asked: string[] = [];
      const options = { capabilities: { elicitation: { form: {} } } };
      const client =
        how === 'http'
          ? await prepared(answer, asked, (handler) => overHttp(`${server.url}/mcp`, agentToken, era, options, handler))
          : await prepared(answer, asked, (handler) => overStdio(home, era, { options, handler }));
      clients.push(client);
      return { client, asked };
    };
    const prepared = (answer: object, asked: string[], open: (handler: (client: Client) => void) => Promise<Client>) =>
      open((client) =>
        client.setRequestHandler('elicitation/create', ({ params }) => {
          asked.push(params.message);
          return answer as { action: 'accept' };
        }),
      );

    beforeAll(() => {
      const old = new Date(Date.now() - 30 * 86_400_000);
      writeFileSync(join(folder, 'three.tmp'), 'x');
      utimesSync(join(folder, 'three.tmp'), old, old);
    });

    it('is asked about the plan instead of a second call; policy still decides', async () => {
      const { client, asked } = await asking({ action: 'accept', content: { apply: true } });
      const run = await planned(client);
      expect(asked).toEqual([expect.stringContaining(`Move ${folder}/three.tmp aside`)]);
      expect(run.status).toBe('waiting-approval');
      await call(client, 'run_cancel', { id: run.runId, reason: 'only a test' });
      // Who wants the plan alone asks nobody.
      expect(await planned(client, { dryRun: true })).toMatchObject({ planToken: expect.any(String) as string });
      expect(asked).toHaveLength(1);
    });

    it('says no, and nothing is started', async () => {
      const { client, asked } = await asking({ action: 'decline' });
      const run = await planned(client);
      expect(asked).toHaveLength(1);
      expect(run).toMatchObject({ next: expect.stringContaining('said no') as string });
      expect(run.planToken).toBeUndefined();
    });
  },
);

describe('the record', () => {
  it('holds each call: the tool, the arguments, the client, the run and what came of it', async () => {
    const client = await connect('stdio 2026-07-28');
    const { runId } = await planned(client, { reason: 'kept in the record' });
    await refusal(client, 'run_cancel', { id: 'run_nobody', reason: 'x' });
    const logs = await stewardJson<Recorded[]>(home, ['audit', 'logs', '--action', 'mcp.tool-called', '--limit', '20']);
    expect(logs).toContainEqual(
      expect.objectContaining({
        outcome: 'succeeded',
        subject: expect.objectContaining({ id: 'automation_run' }) as object,
        actor: expect.objectContaining({ name: expect.stringMatching(/^mcp on /) as string, role: 'agent' }) as object,
        detail: expect.objectContaining({
          client: 'test-client 1.2.3',
          runId,
          arguments: expect.objectContaining({ name: 'clean-temp-files' }) as object,
        }) as object,
      }),
    );
    expect(logs).toContainEqual(
      expect.objectContaining({ outcome: 'failed', subject: expect.objectContaining({ id: 'run_cancel' }) as object }),
    );
    expect(JSON.stringify(logs)).not.toContain('stp_');
  });
});

describe('steward mcp', () => {
  it('says so where no Steward runs', async () => {
    const empty = makeHome();
    const { code, stdout, stderr } = await steward(empty, ['mcp']);
    expect({ code, stdout }).toEqual({ code: 15, stdout: '' });
    expect(stderr).toContain(`No Steward runs from ${empty}`);
    await removeHome(empty);
  });

  it('goes on when the Steward behind it was started anew', async () => {
    const client = await connect('stdio 2025-11-25');
    const own = await overStdio(home, '2025-11-25');
    clients.push(own);
    await call(own, 'status');
    await server.stop();
    await expect(call(own, 'status')).rejects.toThrow('No Steward runs');
    server = await startSteward({ home });
    agentToken = readFileSync(join(home, 'agent-token'), 'utf8').trim();
    expect(await call(own, 'status')).toHaveProperty('verdict');
    // Whoever brought a token that ended with the old one is told.
    await expect(call(client, 'status')).rejects.toThrow('unknown, expired or revoked');
  }, 60_000);
});
