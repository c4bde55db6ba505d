import type { Manifest } from '../../core/backup/copy.ts';

/** What databases of a server take on a disk when they are restored: at least what their dumps are large, and about what they took. */
export function restoredBytes(
  databases: readonly { readonly dump: string; readonly bytes?: number | undefined }[],
  { parts }: Pick<Manifest, 'parts'>,
): number {
  const dumped = (name: string): number => parts.find((part) => part.name === name)?.bytes ?? 0;
  return databases.reduce((sum, { bytes = 0, dump }) => sum + Math.max(bytes, dumped(dump)), 0);
}
