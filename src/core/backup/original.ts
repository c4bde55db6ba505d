import type { LockedAt } from '../automation.ts';
import type { BackupsPort } from '../ports/backups.ts';
import type { BackupSource } from './source.ts';

const HERE = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * The locks of the originals of these sources, or of all of them: each once, in one order for everybody. A server has two: one of
 * the name it is called by, which it always has, and one of what it says it is, which is the same by whatever name it is reached.
 */
export async function locksOf(
  backups: Pick<BackupsPort, 'sources' | 'serverOf'>,
  names: readonly string[] | undefined,
  { node, signal }: LockedAt,
): Promise<string[]> {
  const wanted = backups.sources().filter(({ name }) => names === undefined || names.includes(name));
  const each = await Promise.all(
    wanted.map(async (source) => {
      const server = await backups.serverOf(source.name, { signal });
      return [lockOfName(source, node), ...(server === undefined ? [] : [`original:${source.kind} server ${server}`])];
    }),
  );
  return [...new Set(each.flat())].toSorted();
}

/** A server is the same for all that call it by one name; what lies on one machine, or is called by a name of it, is that machine's. */
function lockOfName(source: BackupSource, node: { readonly id: string }): string {
  const remote = 'host' in source && !HERE.has(source.host) && !source.host.startsWith('/');
  return `original:${remote ? `${source.kind}:${source.host}:${source.port}` : `${node.id}:${source.name}`}`;
}
