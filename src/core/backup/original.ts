import type { BackupSource } from './source.ts';

const HERE = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * The lock of an original: one for whatever copies it or restores over it. A server that several machines reach is the same for all of
 * them, whatever they call it; what lies on one machine is that machine's.
 */
export function lockOfOriginal(source: BackupSource, node: { readonly id: string }): string {
  const remote = 'host' in source && !HERE.has(source.host) && !source.host.startsWith('/');
  return `original:${remote ? `${source.kind}:${source.host}:${source.port}` : `${node.id}:${source.name}`}`;
}
