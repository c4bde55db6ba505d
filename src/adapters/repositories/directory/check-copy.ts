import { join } from 'node:path';
import type { LayerResult } from '../../../core/backup/copy.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { createMeter } from '../measured.ts';
import { progressOf } from '../told-progress.ts';
import { readCompressed } from './compressed-file.ts';
import { folderOf } from './layout.ts';
import { damaged, manifestAt } from './sealed.ts';

/** Reads every file of a copy: what lies on the disk, and what it holds. */
export async function checkCopy(root: string, location: string, doing: Doing): Promise<LayerResult> {
  const startedAt = performance.now();
  const told = progressOf(doing);
  const result = (ok: boolean, statement: string): LayerResult => ({
    layer: 'bytes',
    ok,
    statement,
    durationMs: performance.now() - startedAt,
  });
  try {
    const { parts, files } = await manifestAt(root, location);
    let bytes = 0;
    for (const part of parts) {
      const file = files.find((one) => one.part === part.name);
      if (!file || file.file.includes('/')) throw damaged(location, `it has no file for its part ${part.name}`);
      const stored = createMeter(told);
      const path = join(folderOf(root, location), file.file);
      for await (const chunk of readCompressed(path, part, { signal: doing.signal, stored, where: location }))
        bytes += chunk.length;
      if (stored.bytes !== file.bytes || stored.sha256() !== file.sha256)
        throw damaged(location, `${file.file} is not the file that was written, though its content is`);
    }
    return result(true, `All ${parts.length} parts were read again, ${bytes} bytes, and are what the manifest says.`);
  } catch (thrown) {
    if (thrown instanceof StewardError && thrown.code === 'VERIFICATION_FAILED') return result(false, thrown.message);
    throw thrown;
  }
}
