import { z } from 'zod';
import { newestOf } from '../../core/backup/pick.ts';
import type { KitCopy } from '../../core/backup/recovery-kit.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand, NoInput } from '../../core/operation.ts';
import type { CopiesPort } from '../../core/ports/copies.ts';
import type { BackupsDeps } from './deps.ts';
import type { LockLooks } from './locks.ts';
import { placesOf } from './standing.ts';

const READ_MS = 60_000;

/** The page that a person restores with when there is no Steward any more. Whoever has it has the data. */
export function backupKit(
  { backups, kit, log }: Pick<BackupsDeps, 'backups' | 'kit' | 'log'>,
  record: Pick<CopiesPort, 'find'>,
  locks: Pick<LockLooks, 'known'>,
): AnyOperation {
  return defineCommand({
    name: 'backup-kit',
    title: 'Recovery kit',
    summary:
      'Gives the page with every place, key and command that it takes to restore without Steward. It holds the keys in clear.',
    permission: 'administer',
    noAgents: true,
    personOrMachine: true,
    input: NoInput,
    output: z.object({ page: z.string().describe('Markdown; keep it away from this machine, and from the copies.') }),
    cli: ['backup', 'kit'],
    async handle() {
      const complete = await record.find({ status: 'complete' });
      const doing = { signal: AbortSignal.timeout(READ_MS) };
      const copies: KitCopy[] = [];
      for (const source of backups.sources()) {
        for (const repository of placesOf(source, backups.repositories())) {
          const own = complete.filter((copy) => copy.source === source.name && copy.repository === repository);
          const found = newestOf(own, backups.repositories());
          if (!found) continue;
          const { location } = found;
          try {
            const place = { source: source.name, repository, location };
            copies.push({ repository, location, manifest: await backups.manifest(place, doing) });
          } catch (thrown) {
            // The places and keys of the others must not wait for one that does not answer.
            log.warn('a copy is not in the recovery kit', { repository, reason: StewardError.from(thrown).message });
          }
        }
      }
      return { page: await kit(copies, await locks.known()) };
    },
  });
}
