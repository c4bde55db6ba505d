// How fast what happens is heard: events that are committed to the store and delivered to fifty clients, beside a bare WebSocket
// server that hands the same texts to as many. Half of Steward's clients listen by server-sent events.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { WebSocket } from 'ws';
import { withDatabase } from '../test/kit/database.ts';
import { type LiveClient, openSocket, openStream } from '../test/kit/live-client.ts';
import { startHome } from './parts/steward-home.ts';
import { median, report } from './result.ts';

const CLIENTS = 50;
/** At once, for how many a second; one by one, for how soon. */
const BURST = 2_000;
const SINGLES = 100;
const RUNS = 3;
const TEXT = 'x'.repeat(500);

interface Figures {
  readonly perSecond: number;
  readonly p99Ms: number;
}

const home = await startHome();
try {
  const own = await withDatabase(home.home, (store) => measureSteward(store));
  const bare = await measureBare();
  const rate = median(own.map(({ perSecond }) => perSecond));
  const bareRate = median(bare.map(({ perSecond }) => perSecond));
  const soon = median(own.map(({ p99Ms }) => p99Ms));
  const bareSoon = median(bare.map(({ p99Ms }) => p99Ms));
  const peer = 'bare ws fan-out, nothing stored';
  report([
    {
      name: 'live',
      figure: `events to ${CLIENTS} clients, each`,
      unit: '1/s',
      value: rate,
      runs: RUNS,
      peer: { name: peer, value: bareRate },
      ratio: rate / bareRate,
      goal: 'over 200 a second to each',
      ok: rate > 200,
    },
    {
      name: 'live',
      figure: 'from commit to the last of them, p99',
      unit: 'ms',
      value: soon,
      runs: RUNS,
      peer: { name: peer, value: bareSoon },
      ratio: soon / bareSoon,
      goal: 'under 250 ms',
      ok: soon < 250,
    },
  ]);
} finally {
  await home.stop();
}
process.exit(0);

async function measureSteward(store: pg.Client): Promise<Figures[]> {
  const cli = readFileSync(join(home.home, 'cli-token'), 'utf8').trim();
  const clients: LiveClient[] = [];
  const headers: Record<string, string>[] = [];
  for (let n = 0; n < 3; n += 1) {
    const made = await fetch(`${home.running.url}/api/v1/create-token`, {
      method: 'POST',
      headers: { authorization: `Bearer ${cli}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: `listener ${n}`, role: 'viewer' }),
    });
    headers.push({ authorization: `Bearer ${((await made.json()) as { token: string }).token}` });
  }
  for (let n = 0; n < CLIENTS; n += 1) {
    const who = headers[n % headers.length] ?? {};
    clients.push(
      n % 2 === 0
        ? await openSocket(home.running.url, who, { events: { types: ['content.published'] } })
        : await openStream(home.running.url, who, { types: 'content.published' }),
    );
  }
  const emit = async (count: number): Promise<void> => {
    await store.query(
      `insert into events (at, type, data) select now(), 'content.published', jsonb_build_object('text', $2::text) from generate_series(1, $1)`,
      [count, TEXT],
    );
    await store.query('notify steward_events');
  };
  const figures = await measured(emit, () =>
    clients.map(({ ids, at }) => ({ count: ids.length, last: at.at(-1) ?? 0 })),
  );
  for (const client of clients) client.end();
  return figures;
}

async function measureBare(): Promise<Figures[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'parts/bare-fanout.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { port } = JSON.parse(line.toString()) as { port: number };
  const seen = Array.from({ length: CLIENTS }, () => ({ count: 0, last: 0 }));
  const sockets = await Promise.all(
    [undefined, ...seen].map(async (client) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}`);
      if (client)
        socket.on('message', (data) => {
          JSON.parse(String(data));
          client.count += 1;
          client.last = performance.now();
        });
      await once(socket, 'open');
      return socket;
    }),
  );
  const event = JSON.stringify({
    type: 'event',
    id: 1,
    event: { id: 1, type: 'content.published', data: { text: TEXT } },
  });
  const emit = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) sockets[0]?.send(event);
  };
  const figures = await measured(emit, () => seen);
  for (const socket of sockets) socket.terminate();
  child.kill();
  return figures;
}

/** The same for both: a burst until everybody has all of it, and single ones until everybody has it. */
async function measured(
  emit: (count: number) => Promise<void>,
  state: () => readonly { readonly count: number; readonly last: number }[],
): Promise<Figures[]> {
  let total = 0;
  const deliver = async (count: number): Promise<number> => {
    total += count;
    const started = performance.now();
    await emit(count);
    while (state().some((client) => client.count < total)) await sleep(1);
    return Math.max(...state().map(({ last }) => last)) - started;
  };
  await deliver(BURST);
  const figures: Figures[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const burstMs = await deliver(BURST);
    const singles: number[] = [];
    for (let n = 0; n < SINGLES; n += 1) singles.push(await deliver(1));
    const p99Ms = singles.toSorted((a, b) => a - b)[Math.floor(SINGLES * 0.99) - 1] ?? Number.NaN;
    figures.push({ perSecond: BURST / (burstMs / 1_000), p99Ms });
  }
  return figures;
}
