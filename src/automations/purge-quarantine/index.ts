import { posix } from 'node:path';
import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { Duration, ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { FilesPort } from '../../core/ports/files.ts';
import { QUARANTINE_FOLDER, temporaryRoots } from '../../core/quarantine.ts';

const AT_ONCE = 50_000;
const MOST_BATCHES = 500;

interface Batch {
  readonly path: string;
  readonly inode: number;
  readonly bytes: number;
  readonly entries: number;
  readonly since: string;
}

export default defineAutomation({
  name: 'purge-quarantine',
  version: 1,
  title: 'Empty the quarantine',
  summary: 'Removes for good what clean-temp-files set aside long enough ago.',
  category: 'maintenance',
  effect: 'destructive',
  priority: 'P2',
  ifMissed: 'the space of files set aside is not given back',
  load: 'io',
  needs: ['files'],

  input: z.object({
    roots: z
      .array(z.string().startsWith('/'))
      .min(1)
      .max(20)
      .optional()
      .describe(
        'Folders whose quarantine is emptied; by default /tmp and /var/tmp, as far as the configuration allows them.',
      ),
    olderThan: Duration.default('7d').describe('What was set aside within this time stays.'),
  }),
  output: z.object({
    batches: z.number().int(),
    entries: z.number().int(),
    bytes: z.number().int().describe('Space given back.'),
  }),
  examples: [{ title: 'What was set aside more than a week ago', input: {} }],
  safeguards: { limit: 'long', timeout: '1h', retry: { attempts: 3, backoff: '2s' } },

  async analyze({ input, ports: { files }, now, signal }) {
    const before = new Date(now().getTime() - ms(input.olderThan));
    const batches: Batch[] = [];
    for (const root of input.roots ?? temporaryRoots(files.roots())) {
      const quarantine = posix.join(root, QUARANTINE_FOLDER);
      const top = await files.stat(quarantine);
      if (top?.kind !== 'directory') continue;
      for (const batch of await files.list(quarantine)) {
        // Its time is that of the last thing put into it. What is no folder of the same owner is not of Steward's making.
        if (
          batch.kind !== 'directory' ||
          batch.uid !== top.uid ||
          batch.modifiedAt >= before ||
          batches.length >= MOST_BATCHES
        )
          continue;
        const { entries } = await files.walk(batch.path, { maxEntries: AT_ONCE, signal });
        batches.push({
          path: batch.path,
          inode: batch.inode,
          bytes: entries.reduce((sum, { kind, bytes }) => sum + (kind === 'file' ? bytes : 0), 0),
          entries: entries.length,
          since: batch.modifiedAt.toISOString(),
        });
      }
    }
    return { batches };
  },

  async plan(_ctx, { batches }) {
    return batches.map(({ path, inode, bytes, entries, since }) => ({
      id: `${path}#${inode}`.slice(-200),
      title: `Remove ${entries} ${entries === 1 ? 'entry' : 'entries'} set aside on ${since.slice(0, 10)} in ${path}`,
      undo: 'none' as const,
      path,
      inode,
      bytes,
      entries,
    }));
  },

  async execute({ ports: { files }, signal, progress }, { path, inode, bytes, entries }) {
    if ((await files.stat(path))?.inode !== inode) return { bytes: 0, entries: 0 };
    await empty(path, files, signal, (done) => progress({ done, total: entries, message: path }));
    await files.remove(path, inode);
    return { bytes, entries };
  },

  async verify({ ports: { files } }, { applied }) {
    return await Promise.all(
      applied.map(async ({ change: { path, inode } }) => ({
        name: `${path} is gone`,
        ok: (await files.stat(path))?.inode !== inode,
      })),
    );
  },

  record: ({ applied }) => ({
    batches: applied.length,
    entries: applied.reduce((sum, { receipt }) => sum + receipt.entries, 0),
    bytes: applied.reduce((sum, { receipt }) => sum + receipt.bytes, 0),
  }),
});

/** Removes what is below, deepest first, in as many rounds as it takes. */
async function empty(
  path: string,
  files: FilesPort,
  signal: AbortSignal,
  done: (count: number) => void,
): Promise<void> {
  let removed = 0;
  for (;;) {
    const { entries, truncated } = await files.walk(path, { maxEntries: AT_ONCE, signal });
    const before = removed;
    for (const { path: entry, inode, kind } of entries.toReversed()) {
      signal.throwIfAborted();
      // A folder of which only a part was listed is not empty yet.
      const gone = await files.remove(entry, inode).catch((thrown: unknown) => {
        if (truncated && kind === 'directory') return false;
        throw thrown;
      });
      if (gone) removed += 1;
    }
    done(removed);
    if (!truncated) return;
    if (removed === before)
      throw new StewardError('CONFLICT', `Nothing in ${path} can be removed: something keeps changing it.`, {
        hint: 'See which process works in it.',
      });
  }
}
