import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ledger, openLedger } from './ledger.ts';
import { type Misbehavior, type Mood, readMood, writeMood } from './mood.ts';

/** What one service of the scratch stack is; the stack gives it as its only argument, in JSON. */
export interface ServiceSettings {
  readonly name: string;
  readonly port: number;
  /** It serves only while it can use this database. */
  readonly database?: { readonly host: string; readonly password: string } | undefined;
  /** It serves only while all of these processes live. */
  readonly workers?: number | undefined;
  /** It takes this long from its start until it answers. */
  readonly bootMs?: number | undefined;
  /** It takes this long from SIGTERM until it ends. */
  readonly stopMs?: number | undefined;
}

const settings = JSON.parse(process.argv[2] ?? '') as ServiceSettings;
const mood: Mood = readMood();
const workers = Array.from({ length: settings.workers ?? 0 }, () =>
  spawn(process.execPath, ['-e', 'setInterval(() => {}, 60_000)'], { stdio: 'ignore' }),
);
const hoard: Buffer[] = [];
let ledger: Ledger | undefined;
let state: 'well' | 'wedged' | 'hanging' = 'well';

say('starts');
if (mood.failsAtStart === true) {
  say('the configuration is broken: mail.relay is not set');
  process.exit(1);
}
if (mood.relapses !== undefined && mood.relapses.times > 0) {
  writeMood({ ...mood, relapses: { ...mood.relapses, times: mood.relapses.times - 1 } });
  setTimeout(() => (state = 'wedged'), mood.relapses.afterMs);
}
if (settings.database) ledger = openLedger(settings.database);

const server: Server = createServer((request, response) => {
  const answer = (status: number, body: object): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (request.url === '/misbehave' && request.method === 'POST') {
    void bodyOf(request).then((text) => {
      answer(202, { accepted: true });
      setImmediate(() => void misbehave(JSON.parse(text) as Misbehavior));
    });
  } else if (request.url === '/health') {
    if (state !== 'hanging') void health().then(({ status, ...body }) => answer(status, body));
  } else answer(404, { error: 'there is nothing here' });
});

// A process without anything to wait for would end: it lives on when its port is closed.
setInterval(() => {}, 60_000);
await sleep(settings.bootMs ?? 0);
server.listen(settings.port, '0.0.0.0', () => say('serves'));

process.on('SIGTERM', () => {
  say('is asked to end');
  server.close();
  server.closeAllConnections();
  void sleep(settings.stopMs ?? 0).then(() => process.exit(0));
});

async function health(): Promise<{ status: number; [key: string]: unknown }> {
  if (state === 'wedged') return { status: 500, error: 'an earlier request left a lock behind' };
  const dead = workers.filter(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
  if (dead.length > 0) return { status: 503, error: `${dead.length} of ${workers.length} workers are gone` };
  const trouble = await ledger?.trouble();
  return trouble === undefined ? { status: 200, name: settings.name } : { status: 503, error: trouble };
}

async function misbehave(wish: Misbehavior): Promise<void> {
  say(`misbehaves: ${wish.kind}`);
  switch (wish.kind) {
    case 'exit':
      process.exit(wish.code);
      break;
    case 'wedge':
      state = 'wedged';
      break;
    case 'hang':
      state = 'hanging';
      break;
    case 'close-port':
      server.close();
      server.closeAllConnections();
      break;
    case 'eat-memory':
      // At once, so that it is over before anybody sees it coming; in pages that are really written to.
      for (;;) hoard.push(Buffer.alloc(512 * 1024 ** 2, 1));
    case 'hold-memory':
      while (memoryPercent() < wish.percent) {
        hoard.push(Buffer.alloc(1024 ** 2, 1));
        await sleep(5);
      }
      break;
    case 'fill-disk':
      fillDisk(wish.folder);
      break;
    case 'lose-worker':
      workers[0]?.kill('SIGKILL');
      break;
    case 'flap':
      for (;;) {
        state = state === 'well' ? 'wedged' : 'well';
        await sleep(wish.everyMs);
      }
    case 'remember':
      writeMood(wish.mood);
      if (wish.thenExit !== undefined) process.exit(wish.thenExit);
      break;
    case 'take-all-connections':
      await ledger?.takeAllConnections();
      break;
    case 'hold-lock':
      await ledger?.holdLock();
      break;
  }
}

/** Of what the container may hold, as the kernel counts it, cached files aside. */
function memoryPercent(): number {
  const here = '/sys/fs/cgroup';
  const [limit, usage, stat] = existsSync(`${here}/memory.max`)
    ? ['memory.max', 'memory.current', 'memory.stat']
    : ['memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes', 'memory/memory.stat'];
  const read = (file: string): string => readFileSync(`${here}/${file}`, 'utf8');
  const cache = Number(/^(?:total_)?inactive_file (\d+)/m.exec(read(stat))?.[1] ?? 0);
  return ((Number(read(usage)) - cache) / Number(read(limit))) * 100;
}

function fillDisk(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const file = openSync(`${folder}/packages`, 'a');
  try {
    for (;;) writeSync(file, Buffer.alloc(64 * 1024, 1));
  } catch (thrown) {
    say(`cannot write any more: ${(thrown as NodeJS.ErrnoException).code}`);
  } finally {
    closeSync(file);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function say(line: string): void {
  process.stdout.write(`${settings.name} ${line}\n`);
}
