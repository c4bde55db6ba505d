// From the command to the first answer: on an empty home (PostgreSQL is set up), and on one that is there; beside Node alone.
// And what a command takes that only asks: for help where no server runs, and a server that does; beside npm and Node alone.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSteward, steward } from '../test/kit/steward.ts';
import { type BenchResult, median, report } from './result.ts';

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
const node = { name: 'node -e 0', value: median(bare) };
report([
  within(60, 'empty home to first answer', cold, node),
  within(60, 'known home to first answer', warm, node),
  within(0.4, 'help of a command, no server', help, { name: 'npm --version', value: median(npm) }),
  within(0.4, 'command that asks a server', asked, node),
]);
process.exit(0);

function within(
  seconds: number,
  figure: string,
  took: readonly number[],
  peer: NonNullable<BenchResult['peer']>,
): BenchResult {
  const value = median(took);
  return {
    name: 'start',
    figure,
    unit: 'ms',
    value,
    runs: ROUNDS,
    peer,
    ratio: value / peer.value,
    goal: `within ${seconds} s`,
    ok: value < seconds * 1_000,
  };
}

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
