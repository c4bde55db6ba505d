import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PlaceResult } from '../../edge/handlers/probe/messages.ts';
import { writeAtomically } from '../config/write-atomically.ts';

/** Results that wait to be sent, in the order in which they were seen; they outlive the process. */
export interface Backlog {
  readonly size: number;
  /** Given up because too many waited, the oldest first. */
  readonly dropped: number;
  add(result: PlaceResult): void;
  first(count: number): readonly PlaceResult[];
  /** These need not be sent any more. */
  remove(results: readonly PlaceResult[], given: 'sent' | 'up'): void;
  /** Resolves when what is on disk is what is known here. */
  settled(): Promise<void>;
}

/** More than a day of ten checks a minute. */
const MOST_WAITING = 20_000;

export async function openBacklog(
  folder: string,
  {
    mostWaiting = MOST_WAITING,
    onTrouble,
  }: { readonly mostWaiting?: number; readonly onTrouble: (reason: string) => void },
): Promise<Backlog> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, 'results.jsonl');
  const countFile = join(folder, 'dropped');
  let waiting = (await readOr(file, '')).split('\n').flatMap(resultIn);
  let dropped = Number.parseInt(await readOr(countFile, '0'), 10) || 0;
  let lines = waiting.length;
  let turn: Promise<void> = Promise.resolve();

  /** One write at a time. What the disk does not take stays in memory, and the next rewrite brings it. */
  function onDisk(work: () => Promise<void>): void {
    turn = turn
      .then(work)
      .catch((thrown: unknown) => onTrouble(thrown instanceof Error ? thrown.message : String(thrown)));
  }

  function rewrite(): void {
    lines = waiting.length;
    // As it is now: what comes later is appended behind it.
    const [text, count] = [waiting.map(lineOf).join(''), String(dropped)];
    onDisk(async () => {
      await writeAtomically(file, text);
      await writeAtomically(countFile, count);
    });
  }

  function giveUp(count: number): void {
    waiting = waiting.slice(count);
    dropped += count;
  }

  if (waiting.length > mostWaiting) {
    giveUp(waiting.length - mostWaiting);
    rewrite();
  }

  return {
    get size() {
      return waiting.length;
    },
    get dropped() {
      return dropped;
    },
    add(result) {
      waiting.push(result);
      if (waiting.length > mostWaiting) giveUp(waiting.length - mostWaiting);
      lines += 1;
      // The file is rewritten once in a while, not with each result that takes the place of another.
      if (lines > mostWaiting + mostWaiting / 10 + 1) rewrite();
      else onDisk(() => appendFile(file, lineOf(result), { mode: 0o600 }));
    },
    first: (count) => waiting.slice(0, count),
    remove(results, given) {
      const gone = new Set(results.map(({ id }) => id));
      waiting = waiting.filter(({ id }) => !gone.has(id));
      if (given === 'up') dropped += gone.size;
      rewrite();
    },
    settled: () => turn,
  };
}

const lineOf = (result: PlaceResult): string => `${JSON.stringify(result)}\n`;

/** The last line may have been cut off by a crash. */
function resultIn(line: string): PlaceResult[] {
  try {
    const result = JSON.parse(line) as PlaceResult;
    return typeof result?.id === 'string' ? [result] : [];
  } catch {
    return [];
  }
}

async function readOr(file: string, otherwise: string): Promise<string> {
  return await readFile(file, 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return otherwise;
    throw thrown;
  });
}
