import { StewardError } from '../../core/errors.ts';
import { type Memory, readMemory } from '../host/memory.ts';
import { readProc } from '../procfs/read.ts';
import { allProcesses, type Family } from './family.ts';

export interface MemoryLimits {
  /** Bytes that one program and what it starts may use together. */
  readonly perProgram: number;
  /** Bytes of this machine that programs leave free, all of them together. */
  readonly keepFree: number;
}

export const DEFAULT_MEMORY: MemoryLimits = { perProgram: 512 * 1024 ** 2, keepFree: 64 * 1024 ** 2 };

interface Watched {
  readonly family: Family;
  readonly program: string;
  readonly limit: number;
  /** Told once; ends the program. */
  readonly end: (reason: StewardError) => void;
}

export interface MemoryWatch {
  /** Until the returned function is called. */
  add(watched: Watched): () => void;
}

export interface MemoryWatchOptions {
  readonly limits: () => MemoryLimits;
  /** What the machine has left. */
  readonly machine?: (() => Memory) | undefined;
  readonly everyMs?: number | undefined;
}

const EVERY_MS = 250;
/** A look at thousands of processes takes its time: it is never more than a twentieth of a core. */
const PAUSES = 20;

/**
 * Looks a few times a second how much memory the programs use, while there are any. One that has more than its cap is
 * ended; where all of them together leave the machine too little, the largest is.
 */
export function createMemoryWatch({
  limits,
  machine = readMemory,
  everyMs = EVERY_MS,
}: MemoryWatchOptions): MemoryWatch {
  const watched = new Set<Watched>();
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const processes = allProcesses();
    const used = [...watched].map((one) => ({ ...one, one, bytes: residentBytes(one.family, processes) }));
    const over = used.filter(({ bytes, limit }) => bytes > limit);
    for (const { one, program, bytes, limit } of over) {
      watched.delete(one);
      one.end(tooMuch(program, bytes, limit));
    }
    const rest = used.filter(({ one }) => watched.has(one)).toSorted((a, b) => b.bytes - a.bytes);
    const { availableBytes } = machine();
    const { keepFree } = limits();
    const largest = rest[0];
    const together = rest.reduce((sum, { bytes }) => sum + bytes, 0);
    // Where others took the memory, ending ours would not give it back. One at a time: the next look sees what came of it.
    if (over.length === 0 && largest && availableBytes < keepFree && together > keepFree - availableBytes) {
      watched.delete(largest.one);
      largest.one.end(tooLittleLeft(largest.program, largest.bytes, together, availableBytes, keepFree));
    }
  }

  function lookIn(ms: number): void {
    timer = setTimeout(() => {
      const begun = performance.now();
      look();
      timer = undefined;
      if (watched.size > 0) lookIn(Math.max(everyMs, (performance.now() - begun) * PAUSES));
    }, ms).unref();
  }

  return {
    add(one) {
      watched.add(one);
      if (!timer) lookIn(everyMs);
      return () => {
        watched.delete(one);
        if (watched.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}

/** Memory that is shared counts for each that shares it: telling it apart costs a walk through every page table. */
function residentBytes(family: Family, processes: Parameters<Family['members']>[0]): number {
  return family.members(processes).reduce((sum, { pid }) => {
    const status = readProc(`/proc/${pid}/status`) ?? '';
    return sum + Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  }, 0);
}

function tooMuch(program: string, bytes: number, limit: number): StewardError {
  return new StewardError(
    'TOO_LARGE',
    `${program} used ${megabytes(bytes)} of memory; the cap of a program is ${megabytes(limit)}, so it was ended.`,
    { hint: 'Let it work on less at once, or raise limits.programMemory in steward.yaml.' },
  );
}

function tooLittleLeft(
  program: string,
  bytes: number,
  together: number,
  available: number,
  keepFree: number,
): StewardError {
  return new StewardError(
    'BUDGET_EXHAUSTED',
    `${program} was ended: it used ${megabytes(bytes)} of the ${megabytes(together)} of memory that Steward's programs had together, and this machine had only ${megabytes(available)} left of the ${megabytes(keepFree)} that stay free.`,
    { hint: 'Start it again when less runs at once, or give the machine more memory.' },
  );
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MB`;
}
