import { writeFile } from 'node:fs/promises';
import type { ContentItem, ContentSummary } from '../../../core/backup/copy.ts';
import type { SourceFacts } from '../../../core/backup/reader.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import { byName } from '../order.ts';
import { ownList } from './own-list.ts';
import { startThread } from './thread.ts';

/** A list of what was described, in the order of a walk, and from when it is. */
export interface Remembered {
  readonly file: string;
  readonly since: number;
}

export interface LookJob {
  readonly roots: readonly string[];
  readonly exclude: readonly string[];
  /** What is described by somebody else: it comes with the second look. */
  readonly apart: readonly string[];
  /** When the copy began, before its repository read anything: milliseconds since 1970. */
  readonly since: number;
  /** What was described before: a file that did not change since is not read again. */
  readonly known: Remembered | undefined;
  /** Where the list goes; beside it what was described by somebody else, as `ownList` says. */
  readonly spool: string;
}

type LeftOut = SourceFacts['leftOut'][number];

/** What the thread tells at once, and what ends with it. */
export interface Looked {
  readonly leftOut: readonly LeftOut[];
  readonly files: number;
  readonly bytes: number;
  readonly text: string;
  readonly contents?: ContentSummary | undefined;
  readonly ends?: Step | undefined;
}
export type Step = 'description' | 'second look';

/** Looks at a tree that is being copied: two steps, each called once and in this order, in one thread, which begins the first unasked. */
export interface TreeLook {
  /** Everything is described and hashed. */
  describe(told: (files: number) => void): Promise<{ readonly files: number; readonly bytes: number }>;
  /** Once the copy is made: what was described, as text, each looked at once more; among it what somebody else described. */
  again(apart: readonly ContentItem[]): Bytes;
  /** Of what `again` gave. */
  contents(): ContentSummary;
  /** Harmless twice. */
  end(): Promise<void>;
}

export function lookAtTree(job: LookJob, signal: AbortSignal, leftOut: (what: LeftOut) => void): TreeLook {
  const { messages, goOn } = startThread<Looked>('look-thread.ts', job, signal);
  let contents: ContentSummary | undefined;

  async function* until(step: Step): AsyncGenerator<Looked> {
    for (;;) {
      const next = await messages.next();
      if (next.done) throw new Error(`The ${step} of a tree broke off.`);
      next.value.leftOut.forEach(leftOut);
      yield next.value;
      if (next.value.ends === step) return;
    }
  }

  return {
    async describe(told) {
      let [files, bytes] = [0, 0];
      for await (const looked of until('description')) {
        files += looked.files;
        bytes += looked.bytes;
        told(files);
      }
      return { files, bytes };
    },
    async *again(apart) {
      const lines = apart.toSorted((one, other) => byName(one.name, other.name)).map((item) => JSON.stringify(item));
      await writeFile(ownList(job.spool), lines.join('\n'), { mode: 0o600 });
      goOn();
      for await (const looked of until('second look')) {
        yield Buffer.from(looked.text);
        contents ??= looked.contents;
      }
    },
    contents() {
      if (!contents) throw new Error('A tree was not looked at again.');
      return contents;
    },
    end: async () => void (await messages.return(undefined)),
  };
}
