import { existsSync } from 'node:fs';

/** Arguments of `docker run` that show a container the programs of this machine, so that a real server runs in it without a registry. */
export const ownPrograms: readonly string[] = ['/usr', '/lib', '/lib64']
  .filter((folder) => existsSync(folder))
  .map((folder) => `--volume=${folder}:${folder}:ro`);
