import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AlertSink, startAlertSink } from './kit/alert-sink.ts';
import { type DebianPostgres, noDebianPostgres, startDebianPostgres } from './kit/debian-postgres.ts';
import {
  eventually,
  isAlive,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

interface NodeShown {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly draining: boolean;
  readonly drainedAt?: string;
  readonly labels: Record<string, string>;
  readonly runsInFlight: number;
  readonly clockSkewMs?: number;
}
interface RunShown {
  readonly id: string;
  readonly status: string;
  readonly node: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** A program that both nodes may call, and that one of them watches. */
async function answering(work: () => Promise<void> = async () => undefined): Promise<{ server: Server; port: number }> {
  const server = createServer((_request, response) => void work().then(() => response.end('fine')));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { server, port: (server.address() as AddressInfo).port };
}

const ends = (server: Server): Promise<unknown> =>
  new Promise((done) => {
    server.close(done);
    server.closeAllConnections();
  });

describe.skipIf(noDebianPostgres !== false)(
  `several nodes on one PostgreSQL${noDebianPostgres === false ? '' : `: ${noDebianPostgres}`}`,
  () => {
    let postgres: DebianPostgres;
    let databaseUrl: string;
    let sink: AlertSink;
    const homes: string[] = [];
    const running = new Map<string, RunningSteward>();
    const servers: Server[] = [];
    let paris = '';
    let rome = '';
    let slowMs = 0;
    let called: { server: Server; port: number };
    let alpha: { server: Server; port: number };
    let beta: { server: Server; port: number };

    const config = (name: string, service: string, port: number, more = ''): string => `
node: {name: ${name}, labels: {site: ${name}}}
discovery: {enabled: false}
http: {allow: [{host: '127.0.0.1:${called.port}'}]}
services:
  - {name: ${service}, critical: true, restart: never, checks: [{kind: http, url: 'http://127.0.0.1:${port}/', every: 500ms}]}
${more}`;
    const start = async (home: string, env: Record<string, string> = {}): Promise<RunningSteward> => {
      const one = await startSteward({ home, env });
      running.set(home, one);
      return one;
    };
    const nodes = async (home = paris): Promise<NodeShown[]> => await stewardJson<NodeShown[]>(home, ['nodes']);
    const node = async (name: string): Promise<NodeShown | undefined> =>
      (await nodes()).find((one) => one.name === name);
    const call = async (home: string, ...args: string[]): Promise<RunShown> =>
      await stewardJson<RunShown>(home, [
        'run',
        'call-http',
        '--input',
        JSON.stringify({
          url: `http://127.0.0.1:${called.port}/`,
          repeatable: true,
          json: { at: called.port + slowMs },
        }),
        ...args,
      ]);

    beforeAll(async () => {
      postgres = await startDebianPostgres();
      databaseUrl = await postgres.database('shared');
      sink = await startAlertSink();
      called = await answering(() => new Promise((done) => setTimeout(done, slowMs)));
      alpha = await answering();
      beta = await answering();
      servers.push(called.server, alpha.server, beta.server);
      paris = makeHome(
        config(
          'paris',
          'alpha',
          alpha.port,
          `alerts: {hold: 0s, channels: [{name: ops, kind: webhook, url: '${sink.url}', secret: {env: SINK_SECRET}, allowPrivate: true}]}`,
        ),
      );
      rome = makeHome(config('rome', 'beta', beta.port));
      homes.push(paris, rome);
      await start(paris, { STEWARD_DATABASE_URL: databaseUrl, SINK_SECRET: sink.secret });
    }, 90_000);

    afterAll(async () => {
      for (const one of running.values()) await one.stop();
      for (const server of servers) await ends(server);
      await sink?.stop();
      for (const home of homes) await removeHome(home);
      await postgres?.remove();
    }, 60_000);

    it('a second one is refused without an invitation, and leaves nothing', async () => {
      const refused = await steward(rome, ['serve'], { env: { STEWARD_DATABASE_URL: databaseUrl } });

      expect([refused.code, refused.stderr]).toEqual([
        8,
        expect.stringMatching(/rome was not invited[\s\S]*node invite/),
      ]);
      expect((await nodes()).map(({ name }) => name)).toEqual(['paris']);
    });

    it('joins with one line of another, once, and is one of them from then on', async () => {
      const { token, command, note } = await stewardJson<{ token: string; command: string; note: string }>(paris, [
        'node',
        'invite',
        '--expires',
        '5m',
      ]);
      expect([command, note]).toEqual([
        expect.stringContaining(`--token ${token}`),
        expect.stringContaining('names this machine itself'),
      ]);
      const address = running.get(paris)?.url ?? '';
      const forged = `${token.slice(0, -4)}${token.endsWith('0000') ? '1111' : '0000'}`;
      expect((await steward(rome, ['node', 'join', address, '--token', forged])).code).toBe(8);

      const joined = await stewardJson<{ name: string; done: string[] }>(rome, [
        'node',
        'join',
        address,
        '--token',
        token,
      ]);

      expect(joined.name).toBe('rome');
      const kept = join(rome, 'database-url');
      expect([readFileSync(kept, 'utf8').trim(), statSync(kept).mode & 0o777]).toEqual([databaseUrl, 0o600]);
      expect(readFileSync(join(rome, 'vault.key'), 'utf8')).toBe(readFileSync(join(paris, 'vault.key'), 'utf8'));
      await start(rome);
      expect(existsSync(join(rome, 'pg'))).toBe(false);
      expect(await nodes(rome)).toMatchObject([
        { name: 'paris', state: 'alive', labels: { site: 'paris' } },
        { name: 'rome', state: 'alive', labels: { site: 'rome' } },
      ]);

      const third = makeHome('node: {name: third}\n');
      homes.push(third);
      const again = await steward(third, ['node', 'join', '--database-url', databaseUrl, '--token', token]);
      expect([again.code, again.stderr]).toEqual([8, expect.stringContaining('was used by another node')]);
      const trail = JSON.stringify(await stewardJson(paris, ['audit', 'logs']));
      expect([
        trail.includes('command.node-invite'),
        trail.includes('node.joined'),
        trail.includes(token.slice(-40)),
      ]).toEqual([true, true, false]);
      const stored = await postgres.query<{ all: string }>(
        databaseUrl,
        'select node_invites::text as all from node_invites',
      );
      expect(JSON.stringify(stored)).not.toContain(token.slice(-40));
    }, 60_000);

    it('each verifies its own chain of the audit log and names the others', async () => {
      const own = async (home: string) =>
        await stewardJson<{ ok: boolean; chain: string; others: { chain: string; node: string }[] }>(home, [
          'audit',
          'verify',
        ]);
      const [first, second] = [await own(paris), await own(rome)];

      expect([first.ok, second.ok]).toEqual([true, true]);
      expect(first.others.map(({ chain }) => chain)).toContain(second.chain);
      expect(second.others.map(({ chain }) => chain)).toContain(first.chain);
    });

    it('share twenty runs that need no machine', async () => {
      slowMs = 1_500;
      const runs: RunShown[] = [];
      const address = running.get(paris)?.url ?? '';
      const token = readFileSync(join(paris, 'cli-token'), 'utf8').trim();
      for (let number = 0; number < 20; number += 1) {
        const answer = await fetch(`${address}/api/v1/automations/call-http/runs`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body: JSON.stringify({
            input: { url: `http://127.0.0.1:${called.port}/`, repeatable: true, json: { number } },
          }),
        });
        runs.push((await answer.json()) as RunShown);
      }
      const ids = new Set(runs.map(({ id }) => id));
      const mine = async () =>
        (await stewardJson<RunShown[]>(rome, ['runs', '--limit', '50'])).filter(({ id }) => ids.has(id));
      await eventually('all of them end', async () =>
        (await mine()).every(({ status }) => status === 'succeeded') ? true : undefined,
      );
      slowMs = 0;

      const names = new Map((await nodes()).map(({ id, name }) => [id, name]));
      const shares = Map.groupBy(await mine(), ({ node: id }) => names.get(id));
      // Not ten each to the run: some have ended while the others are still asked for.
      for (const name of ['paris', 'rome']) expect(shares.get(name)?.length).toBeGreaterThanOrEqual(8);
      const shown = await steward(rome, ['runs', '--limit', '50']);
      for (const name of ['paris', 'rome']) expect(shown.stdout).toContain(` ${name} `);
      expect(shown.stdout).not.toContain('node_');
      expect(shares.size).toBe(2);
    }, 60_000);

    it('each looks after its own machine in a chain that is for all of them', async () => {
      const { id } = await stewardJson<{ id: string }>(paris, ['workflow', 'execute', 'health_check']);
      await eventually('the chain ends', async () => {
        const executions = await stewardJson<{ id: string; status: string }[]>(rome, [
          'workflow',
          'executions',
          'health_check',
        ]);
        return executions.find((one) => one.id === id && one.status !== 'running');
      });

      const runs = await postgres.query<{ name: string; status: string; seen: string[] }>(
        databaseUrl,
        `select n.name, r.status, array(select jsonb_array_elements(r.output->'value'->'services')->>'name' as name order by name) as seen
          from runs r join nodes n on n.id = r.node where r.causation->>'workflowId' = $1 order by 1`,
        [id],
      );
      expect(runs).toEqual([
        { name: 'paris', status: 'succeeded', seen: ['alpha', 'paris'] },
        { name: 'rome', status: 'succeeded', seen: ['beta', 'rome'] },
      ]);
    }, 30_000);

    it('are asked by name and by label, and say why none fits', async () => {
      const labeled = await stewardJson<NodeShown>(paris, ['node', 'label', 'rome', 'disk=fast']);
      expect(labeled.labels).toEqual({ site: 'rome', disk: 'fast' });
      const [there, fast] = [
        await call(paris, '--node', 'rome', '--wait'),
        await call(paris, '--label', 'disk=fast', '--label', 'site=rome', '--wait'),
      ];
      const { id } = (await node('rome')) ?? { id: '' };
      expect([there, fast].map((run) => [run.status, run.node])).toEqual([
        ['succeeded', id],
        ['succeeded', id],
      ]);

      const nowhere = await steward(paris, [
        'run',
        'call-http',
        '--input',
        `url=http://127.0.0.1:${called.port}/`,
        '--label',
        'site=oslo',
      ]);
      expect([nowhere.code, nowhere.stderr]).toEqual([
        35,
        expect.stringMatching(/paris has not the label site=oslo; rome has not the label site=oslo/),
      ]);
    }, 30_000);

    it('drained, it begins nothing new, says when it is empty, and takes work again', async () => {
      slowMs = 3_000;
      const under = await call(paris, '--node', 'rome');
      await eventually('it runs', async () => ((await node('rome'))?.runsInFlight === 1 ? true : undefined));
      await stewardJson(paris, ['node', 'drain', 'rome']);
      const elsewhere = await call(rome, '--reason', 'asked at the one that drains');
      const refused = await steward(paris, [
        'run',
        'call-http',
        '--input',
        `url=http://127.0.0.1:${called.port}/`,
        '--node',
        'rome',
      ]);
      expect([refused.code, refused.stderr]).toEqual([35, expect.stringContaining('rome is draining')]);

      const drained = await stewardJson<NodeShown>(paris, ['node', 'drain', 'rome', '--wait']);

      slowMs = 0;
      expect(drained).toMatchObject({ draining: true, runsInFlight: 0, drainedAt: expect.any(String) });
      const ended = async ({ id }: RunShown) =>
        await stewardJson<RunShown>(paris, ['run', 'show', id, '--wait-seconds', '20']);
      expect(await ended(under)).toMatchObject({ status: 'succeeded', node: drained.id });
      expect(await ended(elsewhere)).toMatchObject({ status: 'succeeded', node: (await node('paris'))?.id });
      expect(await stewardJson<NodeShown>(rome, ['node', 'resume', 'rome'])).toMatchObject({ draining: false });
      expect(await call(paris, '--node', 'rome', '--wait')).toMatchObject({ status: 'succeeded', node: drained.id });
      const told = await postgres.query<{ type: string }>(
        databaseUrl,
        `select type from events where type like 'node.%' order by id`,
      );
      expect(told.map(({ type }) => type).slice(-3)).toEqual(['node.draining', 'node.drained', 'node.resumed']);
    }, 60_000);

    it('a service belongs to one of them: one watches it, one incident tells of it, one alert reaches the only channel', async () => {
      const watching = await postgres.query<{ name: string; service: string }>(
        databaseUrl,
        `select distinct n.name, r.name as service from checks c join nodes n on n.id = c.node
          join resources r on r.id = c.resource_id where c.retired_at is null and r.kind <> 'node' order by 2`,
      );
      expect(watching).toEqual([
        { name: 'paris', service: 'alpha' },
        { name: 'rome', service: 'beta' },
      ]);

      await ends(beta.server);

      await eventually('it is told', async () => (sink.alerts.length > 0 ? true : undefined));
      const opened = await postgres.query(databaseUrl, `select from events where type = 'incident.opened'`);
      expect(opened).toHaveLength(1);
      expect(sink.alerts.map(({ kind, service }) => `${kind} ${service}`)).toEqual(['opened beta']);
    }, 60_000);

    it('one that is frozen is missed within 15 s, and its services are unknown instead of well', async () => {
      const began = performance.now();
      process.kill(running.get(rome)?.pid ?? 0, 'SIGSTOP');

      await eventually('it is missed', async () => ((await node('rome'))?.state === 'lost' ? true : undefined));

      expect(performance.now() - began).toBeLessThan(15_000);
      await eventually('somebody is told', async () =>
        sink.alerts.find(({ title }) => title.includes('rome is silent')),
      );
      const { services } = await stewardJson<{ services: { name: string; state: string }[] }>(paris, ['health']);
      expect(Object.fromEntries(services.map(({ name, state }) => [name, state]))).toMatchObject({
        alpha: 'up',
        beta: 'unknown',
      });
    }, 60_000);

    it('one that will not come back is removed, and what was known of it with it', async () => {
      expect((await steward(paris, ['node', 'remove', 'paris'])).stderr).toContain('paris is alive');

      const removed = await stewardJson<{ name: string }>(paris, ['node', 'remove', 'rome']);

      expect(removed.name).toBe('rome');
      expect((await nodes()).map(({ name }) => name)).toEqual(['paris']);
      const state = await postgres.query<{ state: string }>(
        databaseUrl,
        `select state from resources where name = 'beta'`,
      );
      expect(state).toEqual([{ state: 'gone' }]);
      const open = await postgres.query<{ title: string }>(
        databaseUrl,
        `select title from incidents where status <> 'resolved'`,
      );
      expect(open).toEqual([]);

      // It does not know yet, and finds out.
      const thawed = running.get(rome);
      running.delete(rome);
      process.kill(thawed?.pid ?? 0, 'SIGCONT');
      await eventually('it ends', async () => (isAlive(thawed?.pid ?? 0) ? undefined : true));
      expect(thawed?.output()).toContain('rome was removed from the nodes of the store, so it stops');
      const back = await steward(rome, ['serve']);
      expect([back.code, back.stderr]).toEqual([8, expect.stringContaining('rome was not invited')]);
    }, 60_000);

    it('the one that is left goes on alone', async () => {
      expect(await call(paris, '--wait')).toMatchObject({ status: 'succeeded' });
    });
  },
);

describe('a Steward that keeps everything by itself', () => {
  it('says why no other machine can join it', async () => {
    const home = makeHome('discovery: {enabled: false}\n');
    const running = await startSteward({ home });
    try {
      const { code, stderr } = await steward(home, ['node', 'invite']);

      expect([code, stderr]).toEqual([3, expect.stringMatching(/answers on a socket[\s\S]*STEWARD_DATABASE_URL/)]);
    } finally {
      await running.stop();
      await removeHome(home);
    }
  }, 60_000);
});
