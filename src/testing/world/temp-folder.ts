import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TempFolder extends AsyncDisposable {
  readonly path: string;
  remove(): Promise<void>;
}

/** A folder of the test's own. The name is short: a Unix socket's path may have 107 bytes. */
export async function tempFolder(name = 'stw'): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), `${name}-`));
  const remove = () => rm(path, { recursive: true, force: true });
  return { path, remove, [Symbol.asyncDispose]: remove };
}
