// From the command to the first answer: on an empty home (PostgreSQL is set up), and on one that is there; beside Node alone.
// And what a command takes that only asks: for help where no server runs, and a server that does; beside npm and Node alone.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSteward, steward } from '../test/kit/steward.ts';
import { median, report } from './result.ts';

const ROUNDS = 5;
const cold: number[] = [];
const warm: number[] = [];
const bare: number[] = [];
const help: number[] = [];
const asked: number[] = [];
const npm: number[] = [];

for (let round = 0; round < ROUNDS; round += 1) {
  const home = mkdtempSync(join(tmpdir(), 'stw-bench-'));
  chmodSync(home, 0o755);
  cold.push(await timeToAnswer(home));
  help.push(await timeOf(() => succeeds(home, ['runs', '--help'])));
  warm.push(await timeToAnswer(home, async () => void asked.push(await timeOf(() => succeeds(home, ['runs'])))));
  rmSync(home, { recursive: true, force: true });
  bare.push(await timeOf(() => spawnSync(process.execPath, ['-e', '0'])));
  npm.push(await timeOf(() => spawnSync('npm', ['--version'])));
}
const peer = { name: 'node -e 0', value: median(bare) };
report([
  {
    name: 'start',
    figure: 'empty home to first answer',
    unit: 'ms',
    value: median(cold),
    runs: ROUNDS,
    peer,
    ratio: median(cold) / peer.value,
    goal: 'within 60 s',
    ok: median(cold) < 60_000,
  },
  {
    name: 'start',
    figure: 'known home to first answer',
    unit: 'ms',
    value: median(warm),
    runs: ROUNDS,
    peer,
    ratio: median(warm) / peer.value,
    goal: 'within 60 s',
    ok: median(warm) < 60_000,
  },
  {
    name: 'start',
    figure: 'help of a command, no server',
    unit: 'ms',
    value: median(help),
    runs: ROUNDS,
    peer: { name: 'npm --version', value: median(npm) },
    ratio: median(help) / median(npm),
    goal: 'within 0.4 s',
    ok: median(help) < 400,
  },
  {
    name: 'start',
    figure: 'command that asks a server',
    unit: 'ms',
    value: median(asked),
    runs: ROUNDS,
    peer,
    ratio: median(asked) / peer.value,
    goal: 'within 0.4 s',
    ok: median(asked) < 400,
  },
]);
process.exit(0);

async function timeToAnswer(home: string, meanwhile?: () => Promise<void>): Promise<number> {
  let running: Awaited<ReturnType<typeof startSteward>> | undefined;
  const took = await timeOf(async () => (running = await startSteward({ home })));
  await meanwhile?.();
  await running?.stop();
  return took;
}

async function timeOf(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function succeeds(home: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await steward(home, args);
  if (code !== 0) throw new Error(`steward ${args.join(' ')} ended with ${code}: ${stderr}`);
}
