import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';

/** A file that other programs read while it is written anew: they see the old text or the new one. */
export async function writeTextfile(path: string, text: string): Promise<void> {
  // Not under a name that ends in .prom: node_exporter reads every one of these in the folder.
  const partial = `${path}.${randomBytes(4).toString('hex')}.part`;
  try {
    await using file = await open(partial, 'wx', 0o644);
    await file.writeFile(text);
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => undefined);
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new StewardError('UNAVAILABLE', `${path} cannot be written: ${code ?? message}.`, {
      hint: 'metrics.textfile.path names it: its folder has to be there, and Steward must be allowed to write into it.',
      cause,
    });
  }
}
