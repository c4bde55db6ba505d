import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { Recognition, Recognizer } from '../../core/recognizer.ts';
import { readAppName } from './app-name.ts';
import { lookAtPort } from './look.ts';
import { readProgramVersion } from './program-version.ts';

export interface RecognizerOptions {
  readonly programs: ProgramsPort;
  /** Of one question to a peer. Default one second. */
  readonly timeoutMs?: number;
  /** Ports looked at at the same time. Default 12. */
  readonly concurrency?: number;
}

/** Looks at ports and at what surrounds their processes. */
export function createRecognizer({ programs, timeoutMs = 1_000, concurrency = 12 }: RecognizerOptions): Recognizer {
  const slots = createSlots(concurrency);
  return {
    async look(target, signal) {
      return await slots(async (): Promise<Recognition> => {
        if (signal.aborted) return { answer: 'refused', sightings: [] };
        return await lookAtPort(target, { timeoutMs, signal });
      });
    },
    app: readAppName,
    programVersion: async (executable, args) => await readProgramVersion(programs, executable, args),
  };
}

function createSlots(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
