// How fast webhooks are taken: signature checked, on disk, answered with 202; beside nginx that hands out a file of the same
// length, in turn with it. The load comes from wrk on the same machine.
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { withDatabase } from '../test/kit/database.ts';
import { eventually, freePort, makeHome, removeHome, startSteward } from '../test/kit/steward.ts';
import { median, report, RUNS, SCALE } from './result.ts';

const CONNECTIONS = 128;
const SECONDS = Math.max(2, Math.round(8 * SCALE));
/** What a busy receiver has all day. */
const STEADY = 200;
const STEADY_CONNECTIONS = 32;
const SECRET = 'bench-secret';
const BODY = JSON.stringify({ kind: 'deposit', amount: 12, of: 'x'.repeat(200) });
const PEER = 'nginx, a static file';
const DISK = 'a write and its fdatasync alone';

interface Load {
  readonly perSecond: number;
  readonly p99Ms: number;
  readonly answered: number;
}

const folder = mkdtempSync(join(tmpdir(), 'stw-bench-'));
const [port, peerPort] = [await freePort(), await freePort()];
const home = makeHome(
  `discovery: { enabled: false }\nwebhooks: { port: ${port}, journal: 4GB, types: { bank: {} } }\n`,
);
const steward = await startSteward({ home, env: { WEBHOOK_SECRET_BANK: SECRET } });
const nginx = startNginx();
try {
  const signature = createHmac('sha256', SECRET).update(BODY).digest('base64');
  const script = join(folder, 'post.lua');
  const posting = `wrk.method = "POST"\nwrk.body = [[${BODY}]]\nwrk.headers["content-type"] = "application/json"\nwrk.headers["x-webhook-signature"] = "${signature}"\n`;
  writeFileSync(script, posting);
  const steadily = join(folder, 'post-steadily.lua');
  const mostMs = (2 * STEADY_CONNECTIONS * 1_000) / STEADY;
  // Senders do not come all at once.
  writeFileSync(steadily, `${posting}delay = function() return math.random(0, ${mostMs}) end\n`);
  const url = `http://127.0.0.1:${port}/bank`;
  const own = (seconds: number) => load(url, seconds, CONNECTIONS, '-s', script);
  const other = (seconds: number) => load(`http://127.0.0.1:${peerPort}/file.json`, seconds, CONNECTIONS);

  // What is compiled while it runs is compiled by how often it ran: on a busy machine that takes a while.
  let warm = 0;
  for (let round = 0; round < 10 && warm < 30_000 * SCALE; round += 1) warm += (await own(2)).answered;
  await other(2);
  const figures: { own: Load; peer: Load }[] = [];
  for (let run = 0; run < RUNS; run += 1) figures.push({ own: await own(SECONDS), peer: await other(SECONDS) });

  const answered = figures.reduce((sum, each) => sum + each.own.answered, warm);
  const began = performance.now();
  await eventually(
    'everything that was answered is in the store',
    async () => ((await stored()) >= answered ? true : undefined),
    15 * 60_000,
  );
  console.error(
    `${answered} answered with 202, in the store ${Math.round((performance.now() - began) / 1000)} s later`,
  );

  const steady: { own: Load; disk: number }[] = [];
  for (let run = 0; run < RUNS; run += 1)
    steady.push({
      own: await load(url, SECONDS, STEADY_CONNECTIONS, '-s', steadily),
      disk: await diskP99Ms(SECONDS),
    });

  const rate = median(figures.map((each) => each.own.perSecond));
  const peerRate = median(figures.map(({ peer }) => peer.perSecond));
  const p99 = median(figures.map((each) => each.own.p99Ms));
  const peerP99 = median(figures.map(({ peer }) => peer.p99Ms));
  const steadyP99 = median(steady.map((each) => each.own.p99Ms));
  const diskP99 = median(steady.map(({ disk }) => disk));
  report([
    {
      name: 'webhooks',
      figure: `signed, on disk, ${CONNECTIONS} connections`,
      unit: '1/s',
      value: rate,
      runs: RUNS,
      peer: { name: PEER, value: peerRate },
      ratio: rate / peerRate,
      goal: 'at least 15,000 a second',
      ok: rate >= 15_000,
    },
    {
      name: 'webhooks',
      figure: 'from request to 202, p99',
      unit: 'ms',
      value: p99,
      runs: RUNS,
      peer: { name: PEER, value: peerP99 },
      ratio: p99 / peerP99,
      goal: 'under 50 ms',
      ok: p99 < 50,
    },
    {
      name: 'webhooks',
      figure: `from request to 202 at ${STEADY} a second, p99`,
      unit: 'ms',
      value: steadyP99,
      runs: RUNS,
      peer: { name: DISK, value: diskP99 },
      ratio: steadyP99 / diskP99,
      goal: 'under 10 ms',
      ok: steadyP99 < 10,
    },
  ]);
} finally {
  nginx.kill('SIGTERM');
  await steward.stop();
  await removeHome(home);
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);

async function stored(): Promise<number> {
  return await withDatabase(home, async (client) => {
    const { rows } = await client.query<{ count: number }>('select count(*)::int as count from webhook_deliveries');
    return rows[0]?.count ?? 0;
  });
}

function startNginx() {
  writeFileSync(join(folder, 'file.json'), BODY);
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; error_log stderr; worker_processes auto; user root;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; default_type application/json;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  server { listen 127.0.0.1:${peerPort}; root ${folder}; } }`,
  );
  return spawn('/usr/sbin/nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
}

/** In the same folder, as often, and nobody else waits for it. */
async function diskP99Ms(seconds: number): Promise<number> {
  const file = openSync(join(home, 'bench-disk'), 'w');
  const times: number[] = [];
  const bytes = Buffer.from(BODY);
  for (const end = performance.now() + seconds * 1_000; performance.now() < end;) {
    await wait((2_000 / STEADY) * Math.random());
    const began = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    times.push(performance.now() - began);
  }
  closeSync(file);
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? Number.NaN;
}

/** One run of wrk; a single answer that is no success is a failure. */
async function load(url: string, seconds: number, connections: number, ...more: string[]): Promise<Load> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(
    'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '--timeout', '10s', ...more, url],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.on('error', reject);
  child.on('close', () => resolve(output));
  const text = await promise;
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]);
  const [, value, unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  const answered = Number(/(\d+) requests in/.exec(text)?.[1]);
  if (Number.isNaN(rate) || /Non-2xx|Socket errors/.test(text)) throw new Error(`wrk at ${url}: ${text}`);
  return { perSecond: rate, p99Ms: Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit] ?? Number.NaN), answered };
}
