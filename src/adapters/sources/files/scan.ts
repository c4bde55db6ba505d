import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { SourceFacts } from '../../../core/backup/reader.ts';

/** A list of what was described, in the order of a walk, and from when it is. */
export interface Remembered {
  readonly file: string;
  readonly since: number;
}

export type ScanJob =
  | {
      readonly do: 'describe';
      readonly roots: readonly string[];
      readonly exclude: readonly string[];
      /** Without it only attributes and lengths are told. */
      readonly hash: boolean;
      /** A folder that stands for the root: names are told from there. */
      readonly below?: string | undefined;
      /** What was described before: a file that did not change since is not read again. */
      readonly known?: Remembered | undefined;
    }
  | { readonly do: 'again'; readonly spool: string }
  | {
      readonly do: 'specials';
      readonly roots: readonly string[];
      readonly exclude: readonly string[];
      readonly named: readonly string[];
    };

/** What the thread tells at once. */
export interface Scanned {
  readonly items: readonly (readonly [fingerprint: string, item: ContentItem])[];
  readonly specials: readonly string[];
  readonly leftOut: SourceFacts['leftOut'];
}

export interface ScanData {
  readonly job: ScanJob;
  /** How many messages were taken: the thread waits where it is too far ahead. */
  readonly taken: Int32Array<SharedArrayBuffer>;
}

/** Looks at files in a thread of its own, so that a slow disk holds nobody up. Ends with the caller, or when it is aborted. */
export async function* scan(job: ScanJob, signal: AbortSignal): AsyncGenerator<Scanned> {
  signal.throwIfAborted();
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(new URL('scan-thread.ts', import.meta.url), {
    workerData: { job, taken } satisfies ScanData,
    execArgv: [],
  });
  const waiting: Scanned[] = [];
  let ended = false;
  let failed: Error | undefined;
  let wake = (): void => undefined;
  const woken = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  worker.on('message', (message: Scanned) => {
    waiting.push(message);
    wake();
  });
  worker.on('error', (thrown) => {
    failed = thrown instanceof Error ? thrown : new Error(String(thrown));
    wake();
  });
  worker.on('exit', () => {
    ended = true;
    wake();
  });
  const abort = (): void => wake();
  signal.addEventListener('abort', abort, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = waiting.shift();
      if (next) {
        Atomics.add(taken, 0, 1);
        Atomics.notify(taken, 0);
        yield next;
      } else if (failed) throw failed;
      else if (ended) return;
      else await woken();
    }
  } finally {
    signal.removeEventListener('abort', abort);
    if (!ended) {
      const exited = once(worker, 'exit');
      await worker.terminate();
      await exited.catch(() => undefined);
    }
  }
}

/** The items alone; what was left out goes to `leftOut`. */
export async function* scanItems(
  job: ScanJob,
  signal: AbortSignal,
  leftOut: (what: SourceFacts['leftOut'][number]) => void = () => undefined,
): AsyncGenerator<ContentItem> {
  for await (const { items, leftOut: out } of scan(job, signal)) {
    out.forEach(leftOut);
    for (const [, item] of items) yield item;
  }
}
