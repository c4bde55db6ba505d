// What Steward and its PostgreSQL cost while nothing happens: memory as the kernel shares it out (PSS), and CPU over a minute.
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHome } from './parts/steward-home.ts';
import { median, report } from './result.ts';

const SETTLE_MS = 20_000;
const WINDOW_MS = 20_000;
const WINDOWS = 3;
const TICKS_PER_SECOND = 100;

const home = await startHome();
try {
  await sleep(SETTLE_MS);
  const cpu: number[] = [];
  const memory: number[] = [];
  for (let window = 0; window < WINDOWS; window += 1) {
    const before = ticks();
    await sleep(WINDOW_MS);
    cpu.push(((ticks() - before) / TICKS_PER_SECOND / (WINDOW_MS / 1000)) * 100);
    memory.push(pids().reduce((sum, pid) => sum + pssMegabytes(pid), 0));
  }
  report([
    {
      name: 'idle',
      figure: 'memory with PostgreSQL (PSS)',
      unit: 'MB',
      value: median(memory),
      runs: WINDOWS,
      goal: 'under 250 MB',
      ok: median(memory) < 250,
    },
    {
      name: 'idle',
      figure: 'CPU of one core',
      unit: '%',
      value: median(cpu),
      runs: WINDOWS,
      goal: 'under 2 %',
      ok: median(cpu) < 2,
    },
  ]);
} finally {
  await home.stop();
}
process.exit(0);

function pids(): number[] {
  const postmaster = home.postmaster();
  const children = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => parentOf(pid) === postmaster);
  return [home.running.pid, postmaster, ...children];
}

function parentOf(pid: number): number {
  return Number(statOf(pid)[1] ?? 0);
}

function ticks(): number {
  return pids().reduce((sum, pid) => sum + Number(statOf(pid)[11] ?? 0) + Number(statOf(pid)[12] ?? 0), 0);
}

function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  } catch {
    return [];
  }
}

function pssMegabytes(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
