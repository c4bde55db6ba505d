// What the gateway costs: tokens of RS256 verified, plans counted, headers said, beside what one would put there instead, in turn,
// before the same upstream. Each server is a process of its own; the load comes from wrk on the same machine.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { eventually, freePort, makeHome, removeHome, startSteward } from '../test/kit/steward.ts';
import { median, report, RUNS, SCALE } from './result.ts';

const CONNECTIONS = 32;
const SECONDS = Math.max(2, Math.round(6 * SCALE));
/** As many as a busy site has, and far from all that any of them can do. */
const STEADY = 2_000;
const [ISSUER, AUDIENCE, USERS] = ['https://issuer.example', 'shop', 50];

interface Load {
  readonly perSecond: number;
  readonly p95Ms: number;
  readonly answered: number;
  /** Of the process that answered, its threads included: what does not depend on who else is on the machine. */
  readonly cpuMicroseconds: number;
}

interface Way {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  readonly runs: Load[];
  /** At a steady rate. */
  readonly steady: Load[];
}

const folder = mkdtempSync(join(tmpdir(), 'stw-bench-'));
const children: ChildProcess[] = [];
const keys = await generateKeyPair('RS256', { extractable: true });
const jwks = createServer((_request, response) => {
  void exportJWK(keys.publicKey).then((key) =>
    response.end(JSON.stringify({ keys: [{ ...key, kid: 'k', alg: 'RS256' }] })),
  );
});
jwks.listen(0, '127.0.0.1');
await new Promise((resolve) => jwks.once('listening', resolve));
const jwksUrl = `http://127.0.0.1:${(jwks.address() as AddressInfo).port}/keys`;
const [upstreamPort, nginxPort, haproxyPort, port] = [
  await freePort(),
  await freePort(),
  await freePort(),
  await freePort(),
];
const upstream = `http://127.0.0.1:${upstreamPort}`;
const nginxPid = startNginx();
const haproxyPid = await startHaproxy();
const fastifyServer = await startPart('gateway-fastify.ts', [upstream, jwksUrl, ISSUER, AUDIENCE]);
const floorServer = await startPart('gateway-floor.ts', [upstream, '/api']);
const withoutMb = await withoutGateway();
const home = makeHome(`discovery: { enabled: false }
gateway:
  port: ${port}
  upstreams: { app: { targets: ['${upstream}'] } }
  auth: { tokens: { type: jwt, issuer: '${ISSUER}', audience: ${AUDIENCE}, algorithms: [RS256], jwksUrl: '${jwksUrl}' } }
  limits: { failures: 1000, plans: { paid: 100000000 }, defaultPlan: paid }
  routes: { api: { path: /api, upstream: app, rewrite: /, auth: [tokens] } }
`);
const steward = await startSteward({ home });
const idleMb = residentMb(steward.pid);
try {
  const script = join(folder, 'ask.lua');
  const asking = await askingScript();
  writeFileSync(script, asking);
  const steadily = join(folder, 'ask-steadily.lua');
  // People do not come all at once.
  writeFileSync(
    steadily,
    `${asking}delay = function() return math.random(0, ${(2 * CONNECTIONS * 1_000) / STEADY}) end\n`,
  );
  const way = (name: string, at: number, pid: number): Way => ({
    name,
    url: `http://127.0.0.1:${at}/api/file.json`,
    pid,
    runs: [],
    steady: [],
  });
  const own = way('Steward', port, steward.pid);
  const direct: Way = { ...way('the upstream itself', upstreamPort, nginxPid), url: `${upstream}/file.json` };
  const nginx = way('nginx, no tokens', nginxPort, nginxPid);
  const fastify = way('fastify, http-proxy, jose', fastifyServer.port, fastifyServer.pid);
  const haproxy = way('haproxy, RS256', haproxyPort, haproxyPid);
  const floor = way('Node and undici alone', floorServer.port, floorServer.pid);
  const ways = [direct, own, nginx, fastify, haproxy, floor];

  for (const { url } of ways) await eventually(`${url} answers`, async () => await answers(url));
  // What is compiled while it runs is compiled by how often it ran: on a busy machine that takes a while.
  for (const each of [own, fastify, floor]) {
    let warm = 0;
    for (let round = 0; round < 10 && warm < 40_000 * SCALE; round += 1) warm += (await load(each, 2, script)).answered;
  }
  for (let run = 0; run < RUNS; run += 1)
    for (const each of ways) {
      each.runs.push(await load(each, SECONDS, script));
      each.steady.push(await load(each, SECONDS, steadily));
    }

  const rate = ({ runs }: Way): number => median(runs.map(({ perSecond }) => perSecond));
  const p95 = ({ runs }: Way): number => median(runs.map(({ p95Ms }) => p95Ms));
  const steadyP95 = ({ steady }: Way): number => median(steady.map(({ p95Ms }) => p95Ms));
  const cpu = ({ runs }: Way): number => median(runs.map(({ cpuMicroseconds }) => cpuMicroseconds));
  for (const each of ways)
    console.error(
      `${each.name}: ${Math.round(rate(each))}/s, p95 ${p95(each).toFixed(2)} ms, ${cpu(each).toFixed(0)} µs of CPU a request; ` +
        `steadily ${Math.round(median(each.steady.map(({ perSecond }) => perSecond)))}/s, p95 ${steadyP95(each).toFixed(2)} ms`,
    );
  const memory = residentMb(steward.pid);
  console.error(
    `Steward as a whole: ${withoutMb.toFixed(0)} MB without a gateway, ${idleMb.toFixed(0)} MB before, ${memory.toFixed(0)} MB after`,
  );
  const rated = (peer: Way, goal: string, ok: boolean) => ({
    name: 'gateway',
    figure: `RS256, plan counted, ${CONNECTIONS} connections, beside ${peer.name}`,
    unit: '1/s' as const,
    value: rate(own),
    runs: RUNS,
    peer: { name: peer.name, value: rate(peer) },
    ratio: rate(own) / rate(peer),
    goal,
    ok,
  });
  const added = (when: string, of: (way: Way) => number) => ({
    name: 'gateway',
    figure: `latency p95, added to that of the upstream itself, ${when}`,
    unit: 'ms' as const,
    value: of(own) - of(direct),
    runs: RUNS,
    peer: { name: fastify.name, value: of(fastify) - of(direct) },
    ratio: (of(own) - of(direct)) / (of(fastify) - of(direct)),
    goal: 'under 3 ms',
    ok: of(own) - of(direct) < 3,
  });
  report([
    rated(fastify, 'at least twice', rate(own) >= 2 * rate(fastify)),
    rated(nginx, 'to be known', true),
    rated(haproxy, 'to be known', true),
    rated(floor, 'to be known', true),
    {
      name: 'gateway',
      figure: 'CPU of all of Steward for a request',
      unit: 'µs',
      value: cpu(own),
      runs: RUNS,
      peer: { name: fastify.name, value: cpu(fastify) },
      ratio: cpu(own) / cpu(fastify),
      goal: 'half at most',
      ok: cpu(own) <= cpu(fastify) / 2,
    },
    added('with as much as it can do', p95),
    added(`with ${STEADY} a second`, steadyP95),
    {
      name: 'gateway',
      figure: 'memory that the gateway adds to Steward, after it',
      unit: 'MB',
      value: memory - withoutMb,
      runs: 1,
      goal: 'under 150 MB',
      ok: memory - withoutMb < 150,
    },
    {
      name: 'gateway',
      figure: 'memory of all of Steward after it',
      unit: 'MB',
      value: memory,
      runs: 1,
      goal: 'to be known',
      ok: true,
    },
  ]);
} finally {
  for (const child of children) child.kill('SIGTERM');
  await steward.stop();
  await removeHome(home);
  jwks.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);

async function askingScript(): Promise<string> {
  const tokens = await Promise.all(
    Array.from({ length: USERS }, (_, user) =>
      new SignJWT({ plan: 'paid' })
        .setProtectedHeader({ alg: 'RS256', kid: 'k' })
        .setIssuer(ISSUER)
        .setAudience(AUDIENCE)
        .setSubject(`user-${user}`)
        .setExpirationTime('2h')
        .sign(keys.privateKey),
    ),
  );
  return `local tokens = {${tokens.map((token) => `"Bearer ${token}"`).join(',')}}
local at = 0
request = function()
  at = at % #tokens + 1
  wrk.headers["authorization"] = tokens[at]
  return wrk.format()
end
done = function(summary, latency) io.write(string.format("p95 %d us\\n", latency:percentile(95))) end
`;
}

/** The one that answers: the master only waits for it. */
function startNginx(): number {
  writeFileSync(join(folder, 'file.json'), JSON.stringify({ of: 'x'.repeat(200) }));
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log stderr; user root;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream app { server 127.0.0.1:${upstreamPort}; keepalive 64; }
  server { listen 127.0.0.1:${upstreamPort}; root ${folder}; }
  server { listen 127.0.0.1:${nginxPort};
    location /api/ { proxy_pass http://app/; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`,
  );
  return started('/usr/sbin/nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], 'ignore');
}

function started(program: string, args: readonly string[], errors: 'ignore' | 'inherit'): number {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', errors] });
  children.push(child);
  return child.pid ?? 0;
}

async function startHaproxy(): Promise<number> {
  writeFileSync(join(folder, 'key.pem'), await exportSPKI(keys.publicKey));
  writeFileSync(
    join(folder, 'haproxy.cfg'),
    `global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend gate
  bind 127.0.0.1:${haproxyPort}
  stick-table type string size 100k expire 2m store http_req_rate(1m)
  http-request set-var(txn.token) http_auth_bearer
  http-request deny deny_status 401 unless { http_auth_bearer,jwt_verify("RS256","${folder}/key.pem") -m int 1 }
  http-request deny deny_status 401 unless { http_auth_bearer,jwt_payload_query('$.iss') -m str ${ISSUER} }
  http-request set-header x-user-id %[http_auth_bearer,jwt_payload_query('$.sub')]
  http-request set-header x-user-plan %[http_auth_bearer,jwt_payload_query('$.plan')]
  http-request track-sc0 hdr(x-user-id)
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000000 }
  http-request replace-path /api/(.*) /\\1
  default_backend app
backend app
  server app 127.0.0.1:${upstreamPort}
`,
  );
  return started('/usr/sbin/haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], 'inherit');
}

async function startPart(file: string, args: readonly string[]): Promise<{ port: number; pid: number }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'parts', file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const { promise, resolve } = Promise.withResolvers<number>();
  child.stdout.on('data', (chunk: Buffer) => resolve(Number(chunk.toString().trim())));
  return { port: await promise, pid: child.pid ?? 0 };
}

/** What all the rest of Steward takes. */
async function withoutGateway(): Promise<number> {
  const bare = makeHome('discovery: { enabled: false }\n');
  const running = await startSteward({ home: bare });
  try {
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    return residentMb(running.pid);
  } finally {
    await running.stop();
    await removeHome(bare);
  }
}

async function answers(url: string): Promise<true | undefined> {
  const script = join(folder, 'ask.lua');
  const token = /"(Bearer [^"]+)"/.exec(readFileSync(script, 'utf8'))?.[1] ?? '';
  const answer = await fetch(url, { headers: { authorization: token } }).catch(() => undefined);
  await answer?.arrayBuffer();
  return answer?.status === 200 ? true : undefined;
}

function residentMb(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

/** User and system time of a process, in ticks of ten milliseconds. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** One run of wrk; a single answer that is no success is a failure. */
async function load({ url, pid }: Pick<Way, 'url' | 'pid'>, seconds: number, script: string): Promise<Load> {
  const before = cpuMs(pid);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn('wrk', ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.on('error', reject);
  child.on('close', () => resolve(output));
  const text = await promise;
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const p95 = Number(/p95 (\d+) us/.exec(text)?.[1]);
  const answered = Number(/(\d+) requests in/.exec(text)?.[1]);
  if (Number.isNaN(rate) || /Non-2xx|Socket errors/.test(text)) throw new Error(`wrk at ${url}: ${text}`);
  return { perSecond: rate, p95Ms: p95 / 1_000, answered, cpuMicroseconds: ((cpuMs(pid) - before) * 1_000) / answered };
}
