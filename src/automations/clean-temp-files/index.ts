import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { Duration, ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { FilesPort } from '../../core/ports/files.ts';
import { isAllowed, QUARANTINE_FOLDER, temporaryRoots } from '../../core/quarantine.ts';
import { inspect, lookAround, type Reason } from './analyze.ts';

type Receipt = { readonly moved: true; readonly bytes: number } | { readonly moved: false; readonly reason: Reason };

export default defineAutomation({
  name: 'clean-temp-files',
  version: 1,
  title: 'Clean up temporary files',
  summary: 'Moves temporary files that nobody has used for a while into quarantine, from where they can be taken back.',
  category: 'maintenance',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'the disk fills up',
  load: 'io',
  needs: ['files'],

  input: z.object({
    roots: z
      .array(z.string().startsWith('/'))
      .min(1)
      .max(20)
      .optional()
      .describe('Folders for temporary files; by default /tmp and /var/tmp, as far as the configuration allows them.'),
    olderThan: Duration.default('7d').describe('What was read or written within this time stays.'),
    protect: z.array(z.string().min(1)).default([]).describe('Further names in these folders that stay.'),
  }),
  output: z.object({
    moved: z.number().int().describe('Files and folders moved aside, each folder counted once.'),
    bytes: z.number().int(),
    left: z.record(z.string(), z.number().int()).describe('How many entries stayed where they are, and why.'),
    more: z.number().int().describe('Entries for the next run.'),
    quarantine: z.array(z.string()).describe('Where they lie now.'),
  }),
  examples: [
    { title: 'As every night', input: {} },
    { title: 'Only /tmp, after a month', input: { roots: ['/tmp'], olderThan: '30d' } },
  ],
  safeguards: { limit: 'long', timeout: '30m', retry: { attempts: 3, backoff: '2s' } },

  async analyze({ input, ports, now, signal }) {
    const allowed = ports.files.roots();
    const roots = [...new Set((input.roots ?? temporaryRoots(allowed)).map((root) => posix.resolve(root)))];
    const refused = roots.filter((root) => !isAllowed(root, allowed));
    const before = new Date(now().getTime() - ms(input.olderThan));
    const usable = roots.filter((root) => !refused.includes(root));
    return {
      roots,
      refused,
      allowed: [...allowed],
      before: before.toISOString(),
      ...(await lookAround(ports.files, { roots: usable, protect: input.protect, before, signal })),
    };
  },

  async validate(_ctx, { refused, allowed }) {
    return [
      {
        name: 'The folders are among those that Steward may touch',
        ok: refused.length === 0,
        evidence: { refused, allowed, hint: 'Add them to files.roots in steward.yaml.' },
      },
    ];
  },

  async plan(_ctx, { candidates }) {
    const batch = batchOf(candidates);
    return candidates.map(({ root, name, inode, bytes, entries }) => ({
      // The inode: a name can be longer than an id may be.
      id: `${root}#${inode}`,
      title: `Move ${root}/${name} aside`,
      undo: 'automatic' as const,
      from: posix.join(root, name),
      to: posix.join(root, QUARANTINE_FOLDER, batch, name),
      root,
      inode,
      bytes,
      entries,
    }));
  },

  // Each change looks again at its own entry; that others grew old meanwhile makes no plan wrong.
  basis: ({ roots }) => ({ roots }),

  async execute({ ports: { files }, signal }, { from, to, root, inode }, { facts }): Promise<Receipt> {
    const current = await files.stat(from);
    if (current?.inode !== inode) {
      const there = await files.stat(to);
      // A try before this one moved it.
      if (there?.inode === inode) return { moved: true, bytes: await bytesOf(to, files, signal) };
      return { moved: false, reason: 'gone' };
    }
    const device = (await files.stat(root))?.device ?? current.device;
    try {
      const { stays, paths, bytes } = await inspect(current, files, { device, before: new Date(facts.before), signal });
      if (stays) return { moved: false, reason: stays };
      if ((await files.openPaths(paths)).size > 0) return { moved: false, reason: 'in use' };
      await prepare(posix.dirname(to), files);
      await files.move(from, to);
      return { moved: true, bytes };
    } catch (thrown) {
      const { code } = StewardError.from(thrown);
      if (code === 'FORBIDDEN') return { moved: false, reason: 'of another user' };
      if (code === 'NOT_FOUND') return { moved: false, reason: 'gone' };
      throw thrown;
    }
  },

  async verify({ ports: { files }, signal }, { applied }) {
    const wrong: string[] = [];
    let bytes = 0;
    for (const { change, receipt } of applied) {
      if (!receipt.moved) continue;
      const [origin, there] = await Promise.all([files.stat(change.from), files.stat(change.to)]);
      if (origin?.inode === change.inode) wrong.push(`${change.from} is still there`);
      if (there?.inode !== change.inode) wrong.push(`${change.to} is not there`);
      else if ((await bytesOf(change.to, files, signal)) !== receipt.bytes) wrong.push(`${change.to} has another size`);
      bytes += receipt.bytes;
    }
    return [
      {
        name: 'What was moved lies in quarantine, whole, and no longer where it was',
        ok: wrong.length === 0,
        evidence: { moved: applied.filter(({ receipt }) => receipt.moved).length, bytes, wrong: wrong.slice(0, 50) },
      },
    ];
  },

  record({ facts, applied }) {
    const left: Record<string, number> = { ...facts.left };
    const quarantine = new Set<string>();
    let [moved, bytes] = [0, 0];
    for (const { change, receipt } of applied) {
      if (receipt.moved) {
        moved += 1;
        bytes += receipt.bytes;
        quarantine.add(posix.dirname(change.to));
      } else {
        left[receipt.reason] = (left[receipt.reason] ?? 0) + 1;
      }
    }
    return { moved, bytes, left, more: facts.more, quarantine: [...quarantine] };
  },

  async rollback({ ports: { files } }, { from, to, inode }) {
    // Not in quarantine: it was never moved, or is back already.
    if ((await files.stat(to))?.inode !== inode) return;
    await files.move(to, from);
  },
});

/** Named by what goes into it: whoever plans the same again gets the same plan, and may be held to it. */
function batchOf(candidates: readonly { readonly root: string; readonly inode: number }[]): string {
  const hash = createHash('sha256');
  for (const { root, inode } of candidates) hash.update(`${root}#${inode}\n`);
  return `batch-${hash.digest('hex').slice(0, 16)}`;
}

/** The folder for this batch, in a quarantine that nobody else could have laid out: in /tmp anyone may make a folder. */
async function prepare(batch: string, files: FilesPort): Promise<void> {
  const quarantine = posix.dirname(batch);
  await files.makeDirectory(quarantine);
  await files.makeDirectory(batch);
  const [outer, inner] = await Promise.all([files.stat(quarantine), files.stat(batch)]);
  if (outer && inner && outer.uid === inner.uid && (outer.mode & 0o022) === 0) return;
  throw new StewardError('PRECONDITION_FAILED', `${quarantine} belongs to somebody else, so nothing is put there.`, {
    hint: 'Look at who made it, and remove it: it was not Steward.',
  });
}

async function bytesOf(path: string, files: FilesPort, signal: AbortSignal): Promise<number> {
  const top = await files.stat(path);
  if (top?.kind !== 'directory') return top?.bytes ?? 0;
  const { entries } = await files.walk(path, { maxEntries: 100_000, signal });
  return entries.reduce((sum, { kind, bytes }) => sum + (kind === 'file' ? bytes : 0), 0);
}
