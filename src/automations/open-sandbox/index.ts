import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { locksOf } from '../../core/backup/original.ts';
import { pickCopy } from '../../core/backup/pick.ts';
import { Duration, ms, parseDuration } from '../../core/duration.ts';
import { naming } from '../../core/naming.ts';

const OPEN = 'open';
const SHORTEST_MS = 60_000;
const LONGEST_MS = 7 * 86_400_000;
/** What is restored, and as much again: somebody works there, and Steward's own store may lie on that disk. */
const ROOM = 2;

export default defineAutomation({
  name: 'open-sandbox',
  version: 1,
  title: 'Restore to a sandbox',
  summary: 'Restores a copy into a throw-away server or folder that stays for some hours; the original is not touched.',
  category: 'backup',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'what a copy holds can be seen only by putting it somewhere by hand',
  load: 'io',
  needs: ['backups', 'copies', 'sandboxes'],
  cli: ['backup', 'restore'],
  cliWhen: { option: 'to', is: 'sandbox' },
  cliArguments: ['source'],
  input: z.object({
    source: naming('source', z.string().min(1).describe('Name of the source.')),
    copy: naming('copy', z.string()).optional().describe('Id of the copy; by default the newest proven one.'),
    repository: naming('repository', z.string()).optional().describe('Only a copy in this repository.'),
    for: Duration.default('4h')
      .refine((text) => {
        const long = parseDuration(text);
        return long === undefined || (long >= SHORTEST_MS && long <= LONGEST_MS);
      }, 'expected at least 1m and at most 7d')
      .describe('How long it stays, at most 7d.'),
  }),
  output: z.object({
    sandbox: z.string(),
    copy: z.string(),
    snapshotAt: z.string().describe('Of which instant the data is.'),
    proven: z.boolean().describe('Whether the copy had been proven before.'),
    connect: z.string().describe("Leads there in a shell, as Steward's own user or root."),
    host: z.string().optional().describe('The Unix socket, or the folder that it lies in.'),
    port: z.number().int().optional(),
    user: z.string().optional().describe('It has no password: nobody else can open the socket.'),
    database: z.string().optional(),
    path: z.string().optional().describe('Where files were restored.'),
    until: z.string().describe('When it goes by itself.'),
    seconds: z.number(),
  }),
  examples: [
    { title: 'The newest proven copy, for four hours', input: { source: 'etc' } },
    { title: 'For a short look', input: { source: 'etc', for: '30m' } },
  ],
  safeguards: { timeout: '1h', limit: 'long', retry: { attempts: 1, backoff: '5s' } },

  locks: ({ source }, { backups }, at) => locksOf(backups, [source], at),

  async analyze({ input, ports }) {
    const { id, location, repository, provenAt, startedAt, kind, bytes } = await pickCopy(ports, input);
    return {
      place: { source: input.source, repository, location },
      kind,
      copy: { id, at: startedAt.toISOString(), proven: provenAt !== null },
      needed: (bytes ?? 0) * ROOM,
      room: await ports.sandboxes.room(),
    };
  },

  async validate(_ctx, { needed, room: { folder, freeBytes } }) {
    return [
      {
        name: `There is room in ${folder}`,
        ok: freeBytes >= needed,
        evidence: {
          freeBytes,
          needed,
          hint: 'Free some space there, close another sandbox, or extract the copy to a larger disk: steward backup extract.',
        },
      },
    ];
  },

  async plan({ input }, { place, kind, copy }) {
    return [
      {
        id: OPEN,
        title: `Restore the copy of ${place.source} (${kind}) from ${copy.at} into a sandbox for ${input.for}`,
        reason: copy.proven ? undefined : 'This copy has not been proven.',
        undo: 'automatic' as const,
      },
    ];
  },

  basis: ({ copy }) => ({ copy: copy.id }),

  async execute({ input, ports, run, signal, progress, now }, _change, { facts: { place } }) {
    const began = now();
    const { openedAt, snapshotAt, until, ...opened } = await ports.sandboxes.open(
      place,
      { id: sandboxOf(run.id), forMs: ms(input.for) },
      { signal, progress: ({ bytes, message }) => progress({ done: bytes, message: message ?? `${bytes} bytes` }) },
    );
    return {
      ...opened,
      snapshotAt: snapshotAt.toISOString(),
      until: until.toISOString(),
      seconds: Math.max(0, openedAt.getTime() - began.getTime()) / 1_000,
    };
  },

  async verify({ ports, run, signal }, { facts: { place } }) {
    const id = sandboxOf(run.id);
    const there = ports.sandboxes.list().some((each) => each.id === id);
    const opened = { name: `The sandbox of ${place.source} is open`, ok: there, evidence: { sandbox: id } };
    if (!there) return [opened];
    const { layers, obstacle } = await ports.sandboxes.prove(id, { signal });
    return [
      opened,
      // Whoever has nothing better looks at what nobody can prove, too.
      ...(obstacle === undefined
        ? []
        : [{ name: 'Nothing says that it is not what was copied', ok: true, evidence: { notLookedAt: obstacle } }]),
      ...layers.map(({ ok, statement, evidence }) => ({
        name: 'What is there is what was copied',
        ok,
        evidence: { statement, evidence: evidence ?? null },
      })),
    ];
  },

  record({ facts: { copy }, applied }) {
    const [{ receipt } = { receipt: undefined }] = applied;
    if (!receipt) throw new Error('A sandbox was recorded that nobody opened.');
    const { id, connect, host, port, user, database, path, snapshotAt, until, seconds } = receipt;
    return {
      sandbox: id,
      copy: copy.id,
      proven: copy.proven,
      connect,
      host,
      port,
      user,
      database,
      path,
      snapshotAt,
      until,
      seconds,
    };
  },

  async rollback({ ports, run }) {
    const id = sandboxOf(run.id);
    if (ports.sandboxes.list().some((each) => each.id === id)) await ports.sandboxes.close(id);
  },

  async verifyUndone({ ports, run }) {
    const id = sandboxOf(run.id);
    return [{ name: 'The sandbox is gone', ok: !ports.sandboxes.list().some((each) => each.id === id) }];
  },
});

const sandboxOf = (run: string): string => run.replace(/^run_/, 'sb_');
