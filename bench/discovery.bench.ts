// A rescan of a machine with 60 listening ports, beside `ss -tlnp` on the same machine in the same run. Both look at every
// socket and find its process; Steward also looks at connections and processes and keeps the inventory in step.
import { execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { createProcesses } from '../src/adapters/processes/index.ts';
import { createSockets } from '../src/adapters/sockets/index.ts';
import { median, report } from './result.ts';
import { startHome } from './parts/steward-home.ts';

const PORTS = 60;
const ROUNDS = 15;

const peers = spawn(process.execPath, [join(import.meta.dirname, 'parts/many-ports.ts'), String(PORTS)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
await new Promise((ready) => peers.stdout.once('data', ready));
const home = await startHome();
try {
  // What a rescan looks at is what the scan before has recognised.
  await home.scan();
  await home.scan();

  const sockets = createSockets();
  const processes = createProcesses({ programs: createPrograms({ environment: {} }) });
  const looks: number[] = [];
  const scans: number[] = [];
  const ss: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ss.push(timed(() => execFileSync('ss', ['-tlnp'], { stdio: 'ignore' })));
    const began = performance.now();
    await Promise.all([sockets.listeners(), processes.list()]);
    looks.push(performance.now() - began);
    scans.push((await home.scan()).durationMs);
  }
  const peer = { name: 'ss -tlnp', value: median(ss) };
  const scan = median(scans);
  report([
    {
      name: 'discovery',
      figure: `rescan of ${PORTS} ports, inventory in step`,
      unit: 'ms',
      value: scan,
      runs: ROUNDS,
      peer,
      ratio: scan / peer.value,
      goal: 'at most 5 times ss',
      ok: scan <= 5 * peer.value,
    },
    {
      name: 'discovery',
      figure: 'sockets and processes alone',
      unit: 'ms',
      value: median(looks),
      runs: ROUNDS,
      peer,
      ratio: median(looks) / peer.value,
      goal: 'at most 5 times ss',
      ok: median(looks) <= 5 * peer.value,
    },
  ]);
} finally {
  await home.stop();
  peers.kill('SIGKILL');
}
process.exit(0);

function timed(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}
