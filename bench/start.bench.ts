// From the command to the first answer: on an empty home (PostgreSQL is set up), and on one that is there; beside Node alone.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSteward } from '../test/kit/steward.ts';
import { median, report } from './result.ts';

const ROUNDS = 5;
const cold: number[] = [];
const warm: number[] = [];
const bare: number[] = [];

for (let round = 0; round < ROUNDS; round += 1) {
  const home = mkdtempSync(join(tmpdir(), 'stw-bench-'));
  chmodSync(home, 0o755);
  cold.push(await timeToAnswer(home));
  warm.push(await timeToAnswer(home));
  rmSync(home, { recursive: true, force: true });
  const began = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  bare.push(performance.now() - began);
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
]);
process.exit(0);

async function timeToAnswer(home: string): Promise<number> {
  const began = performance.now();
  const running = await startSteward({ home });
  const took = performance.now() - began;
  await running.stop();
  return took;
}
