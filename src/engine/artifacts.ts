import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactReference } from '../core/artifact.ts';
import { StewardError } from '../core/errors.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$/;

/** Keeps a file that a run produced, readable by Steward only. Written whole or not at all. */
export async function keepArtifact(
  folder: string,
  runId: string,
  name: string,
  content: string | Uint8Array,
): Promise<ArtifactReference> {
  if (!NAME.test(name))
    throw new StewardError(
      'INTERNAL',
      `'${name}' is no name for an artifact: letters, digits, dot, dash and underscore.`,
    );
  const place = join(folder, runId);
  const draft = join(place, `.${randomUUID()}`);
  try {
    await mkdir(place, { recursive: true, mode: 0o700 });
    await writeFile(draft, content, { mode: 0o600, flush: true });
    await rename(draft, join(place, name));
  } catch (cause) {
    const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
    throw new StewardError(
      full ? 'DISK_FULL' : 'UNAVAILABLE',
      `The artifact ${name} could not be written to ${place}: ${(cause as Error).message}`,
      { cause },
    );
  }
  return {
    id: `${runId}/${name}`,
    runId,
    name,
    bytes: Buffer.byteLength(content),
    sha256: createHash('sha256').update(content).digest('hex'),
  };
}
