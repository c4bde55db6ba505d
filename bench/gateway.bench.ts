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
const [ISSUER, AUDIENCE, USERS] = ['https://issuer.example', 'shop', 50];

interface Load {
  readonly perSecond: number;
  readonly p95Ms: number;
  readonly answered: number;
}

interface Way {
  readonly name: string;
  readonly url: string;
  readonly runs: Load[];
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
startNginx();
await startHaproxy();
const fastifyPort = await startFastify();
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
  writeFileSync(script, await askingScript());
  const own: Way = { name: 'Steward', url: `http://127.0.0.1:${port}/api/file.json`, runs: [] };
  const direct: Way = { name: 'the upstream itself', url: `${upstream}/file.json`, runs: [] };
  const nginx: Way = { name: 'nginx, no tokens', url: `http://127.0.0.1:${nginxPort}/api/file.json`, runs: [] };
  const fastify: Way = {
    name: 'fastify, http-proxy, jose',
    url: `http://127.0.0.1:${fastifyPort}/api/file.json`,
    runs: [],
  };
  const haproxy: Way = { name: 'haproxy, RS256', url: `http://127.0.0.1:${haproxyPort}/api/file.json`, runs: [] };
  const ways = [direct, own, nginx, fastify, haproxy];

  for (const { url } of ways) await eventually(`${url} answers`, async () => await answers(url));
  // What is compiled while it runs is compiled by how often it ran: on a busy machine that takes a while.
  for (const way of [own, fastify]) {
    let warm = 0;
    for (let round = 0; round < 10 && warm < 40_000 * SCALE; round += 1)
      warm += (await load(way.url, 2, script)).answered;
  }
  for (let run = 0; run < RUNS; run += 1) for (const way of ways) way.runs.push(await load(way.url, SECONDS, script));

  const rate = ({ runs }: Way): number => median(runs.map(({ perSecond }) => perSecond));
  const p95 = ({ runs }: Way): number => median(runs.map(({ p95Ms }) => p95Ms));
  for (const way of ways) console.error(`${way.name}: ${Math.round(rate(way))}/s, p95 ${p95(way).toFixed(2)} ms`);
  const memory = residentMb(steward.pid);
  console.error(`Steward as a whole: ${idleMb.toFixed(0)} MB before, ${memory.toFixed(0)} MB after`);
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
  const added = p95(own) - p95(direct);
  report([
    rated(fastify, 'at least twice', rate(own) >= 2 * rate(fastify)),
    rated(nginx, 'to be known', true),
    rated(haproxy, 'to be known', true),
    {
      name: 'gateway',
      figure: 'latency p95, added to that of the upstream itself',
      unit: 'ms',
      value: added,
      runs: RUNS,
      peer: { name: fastify.name, value: p95(fastify) - p95(direct) },
      ratio: added / (p95(fastify) - p95(direct)),
      goal: 'under 3 ms',
      ok: added < 3,
    },
    {
      name: 'gateway',
      figure: 'memory of all of Steward after it',
      unit: 'MB',
      value: memory,
      runs: 1,
      goal: 'under 150 MB',
      ok: memory < 150,
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

function startNginx(): void {
  writeFileSync(join(folder, 'file.json'), JSON.stringify({ of: 'x'.repeat(200) }));
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; error_log stderr; worker_processes 1; user root;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  upstream app { server 127.0.0.1:${upstreamPort}; keepalive 64; }
  server { listen 127.0.0.1:${upstreamPort}; root ${folder}; }
  server { listen 127.0.0.1:${nginxPort};
    location /api/ { proxy_pass http://app/; proxy_http_version 1.1; proxy_set_header Connection ""; } } }`,
  );
  children.push(
    spawn('/usr/sbin/nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], {
      stdio: ['ignore', 'ignore', 'ignore'],
    }),
  );
}

async function startHaproxy(): Promise<void> {
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
  children.push(
    spawn('/usr/sbin/haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: ['ignore', 'ignore', 'inherit'] }),
  );
}

async function startFastify(): Promise<number> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'parts/gateway-fastify.ts'), upstream, jwksUrl, ISSUER, AUDIENCE],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  const { promise, resolve } = Promise.withResolvers<number>();
  child.stdout.on('data', (chunk: Buffer) => resolve(Number(chunk.toString().trim())));
  return await promise;
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

/** One run of wrk; a single answer that is no success is a failure. */
async function load(url: string, seconds: number, script: string): Promise<Load> {
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
  return { perSecond: rate, p95Ms: p95 / 1_000, answered };
}
