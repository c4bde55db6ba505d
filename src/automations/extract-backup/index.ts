import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { locksOf } from '../../core/backup/original.ts';
import { pickCopy } from '../../core/backup/pick.ts';
import type { RestoreTarget } from '../../core/backup/reader.ts';
import { StewardError } from '../../core/errors.ts';
import { naming } from '../../core/naming.ts';

const RESTORE = 'restore';
const FINISH = 'finish';

export default defineAutomation({
  name: 'extract-backup',
  version: 1,
  title: 'Restore beside the original',
  summary: 'Restores a copy into a new database or an empty folder; nothing that is there is touched.',
  category: 'backup',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'a single row or file that was lost stays lost',
  load: 'io',
  needs: ['backups', 'copies'],
  cli: ['backup', 'extract'],
  cliArguments: ['source'],
  input: z.object({
    source: naming('source', z.string().min(1).describe('Name of the source.')),
    copy: naming('copy', z.string()).optional().describe('Id of the copy; by default the newest proven one.'),
    repository: naming('repository', z.string()).optional().describe('Only a copy in this repository.'),
    folder: z.string().optional().describe('An absolute path that is empty or does not exist.'),
    paths: z
      .array(z.string().min(1).max(4_096))
      .min(1)
      .max(1_000)
      .optional()
      .describe('Only these files and folders of it, as backup-browse shows them. Into a folder.'),
    database: z.string().optional().describe('A database that does not exist yet, on the same server.'),
    of: z.string().optional().describe('Which database of the copy, where it has several.'),
  }),
  output: z.object({
    copy: z.string(),
    to: z.string(),
    restored: z.array(z.string()),
    seconds: z.number(),
    proven: z.boolean().describe('Whether the copy had been proven before.'),
  }),
  examples: [
    { title: 'Files into a folder', input: { source: 'etc', folder: '/srv/restored/etc' } },
    { title: 'One file of a copy', input: { source: 'etc', folder: '/srv/restored/etc', paths: ['/etc/hosts'] } },
  ],
  safeguards: { timeout: '1h', limit: 'long', limitOf: 'change', retry: { attempts: 2, backoff: '5s' } },

  locks: ({ source }, { backups }, at) => locksOf(backups, [source], at),

  async analyze({ input, ports, signal }) {
    const to = targetOf(input);
    const { id, location, repository, provenAt, startedAt } = await pickCopy(ports, input);
    const place = { source: input.source, repository, location };
    return {
      to,
      place,
      copy: { id, at: startedAt.toISOString(), proven: provenAt !== null },
      occupied: [...(await ports.backups.occupied(place, to, { signal }))].slice(0, 20),
    };
  },

  async validate(_ctx, { to, occupied }) {
    return [
      {
        name: `Nothing is at ${nameOf(to)} yet`,
        ok: occupied.length === 0,
        evidence: { occupied, hint: 'Name an empty place; restore-backup puts a copy over the original.' },
      },
    ];
  },

  async plan(_ctx, { to, copy, place }) {
    return [
      {
        id: RESTORE,
        title: `Restore ${partOf(to)}the copy of ${place.source} from ${copy.at} into ${nameOf(to)}`,
        reason: copy.proven ? undefined : 'This copy has not been proven.',
        undo: 'none' as const,
      },
      // Until then whoever is killed begins anew, and nobody takes half of it for all.
      ...(to.kind === 'folder'
        ? [{ id: FINISH, title: `Say that ${to.path} is whole`, undo: 'none' as const, additive: true }]
        : []),
    ];
  },

  basis: ({ copy, to }) => ({
    copy: copy.id,
    to: nameOf(to),
    ...(to.kind === 'folder' && to.only && { only: [...to.only] }),
  }),

  async execute({ ports, run, signal, progress, lease }, { id }, { facts: { place, to }, receipts }) {
    if (id === FINISH) {
      const { kept = [] } = (receipts.get(RESTORE) ?? {}) as { readonly kept?: readonly string[] };
      await ports.backups.discard(place, kept, { signal });
      return { what: [], durationMs: 0, kept: [] };
    }
    await lease();
    const {
      what,
      durationMs,
      kept = [],
    } = await ports.backups.restore(place, to, {
      signal,
      lease,
      owner: run.id,
      progress: ({ bytes, message }) => progress({ done: bytes, message: message ?? `${bytes} bytes` }),
    });
    return { what: [...what], durationMs, kept: [...kept] };
  },

  async verify({ ports, signal }, { facts: { place, to }, applied }) {
    const there = await ports.backups.occupied(place, to, { signal });
    return [
      {
        name: `What was restored is at ${nameOf(to)}`,
        ok: there.length > 0 && applied.some(({ receipt }) => receipt.what.length > 0),
        evidence: { there: [...there].slice(0, 20) },
      },
    ];
  },

  record({ facts: { copy, to }, applied }) {
    const [first] = applied;
    return {
      copy: copy.id,
      to: nameOf(to),
      restored: first?.receipt.what ?? [],
      seconds: Math.round(first?.receipt.durationMs ?? 0) / 1_000,
      proven: copy.proven,
    };
  },
});

type Where = {
  folder?: string | undefined;
  paths?: string[] | undefined;
  database?: string | undefined;
  of?: string | undefined;
};

function targetOf({ folder, paths, database, of }: Where): Exclude<RestoreTarget, { kind: 'original' }> {
  if ((folder === undefined) === (database === undefined))
    throw new StewardError('INPUT_INVALID', 'It has to be said where to: into a folder, or into a database.', {
      hint: 'Give either folder or database. To put a copy over the original there is restore-backup.',
    });
  if (database !== undefined && paths)
    throw new StewardError('INPUT_INVALID', 'A database is restored as a whole: paths are of a folder.', {
      hint: 'Give a folder for them, or leave paths out.',
    });
  if (database !== undefined) return { kind: 'database', name: database, ...(of !== undefined && { database: of }) };
  if (folder !== undefined && folder.startsWith('/'))
    return { kind: 'folder', path: folder, ...(paths && { only: paths }) };
  throw new StewardError('INPUT_INVALID', `'${folder}' is not an absolute path.`);
}

function partOf(to: Exclude<RestoreTarget, { kind: 'original' }>): string {
  if (to.kind !== 'folder' || !to.only) return '';
  const [first, ...more] = to.only;
  return `${first}${more.length > 0 ? ` and ${more.length} more` : ''} of `;
}

const nameOf = (to: Exclude<RestoreTarget, { kind: 'original' }>): string =>
  to.kind === 'folder' ? to.path : `database ${to.name}`;
