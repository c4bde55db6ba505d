import { randomUUID } from 'node:crypto';
import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import type { SourceKind, SourceOf } from '../../core/backup/source.ts';
import type { CopyStore, Doing } from '../../core/backup/store.ts';

/** What a backup does, without its run: copies and seals. An attempt that fails leaves nothing in the store. */
export async function makeCopy<Kind extends SourceKind>(
  reader: SourceReader<Kind>,
  source: SourceOf<Kind>,
  store: CopyStore,
  doing: Doing,
): Promise<SealedCopy> {
  await store.prepare(doing);
  const at = new Date();
  const id = `copy-${randomUUID()}`;
  const writer = await store.begin({ id, source: source.name, at }, doing);
  try {
    const { snapshotAt, ...copied } = await reader.copy(source, writer, doing);
    const { location } = await writer.seal({
      format: 'steward-copy/1',
      copy: id,
      source: { name: source.name, kind: source.kind },
      node: 'node_test',
      snapshotAt: snapshotAt.toISOString(),
      startedAt: at.toISOString(),
      endedAt: new Date().toISOString(),
      tools: { ...copied.tools },
      leftOut: [...copied.leftOut],
      parts: [...copied.parts],
      contents: copied.contents,
    });
    return { store, location, manifest: await store.manifest(location, doing) };
  } catch (thrown) {
    await writer.abandon();
    throw thrown;
  }
}
