import type { BackupSource } from './source.ts';

const HERE = new Set(['localhost', '127.0.0.1', '::1']);

/** The locks of the originals of these sources, or of all of them: each once, in one order for everybody. */
export function locksOf(
  sources: readonly BackupSource[],
  names: readonly string[] | undefined,
  node: { readonly id: string },
): string[] {
  const wanted = sources.filter(({ name }) => names === undefined || names.includes(name));
  return [...new Set(wanted.map((source) => lockOfOriginal(source, node)))].toSorted();
}

/**
 * The lock of an original: one for whatever copies it or restores over it. A server that several machines reach is the same for all
 * that call it by one name; what lies on one machine, or is called by a name of it, is that machine's.
 */
export function lockOfOriginal(source: BackupSource, node: { readonly id: string }): string {
  const remote = 'host' in source && !HERE.has(source.host) && !source.host.startsWith('/');
  return `original:${remote ? `${source.kind}:${source.host}:${source.port}` : `${node.id}:${source.name}`}`;
}
