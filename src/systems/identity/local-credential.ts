import type { Actor } from '../../core/actor.ts';
import { LOCAL_ACTOR } from './accounts.ts';
import { readPrivate, removePrivate, writePrivate } from './private-file.ts';
import { newToken, sameSecret } from './secrets.ts';

const ID = 'local';

/**
 * How the CLI on this machine gets in: a token in a file that only the owner of the home can read, new with each start,
 * known to this process only. It has no session, so it approves nothing that destroys.
 */
export function createLocalCredential({ file, osUser }: { file: string; osUser: string }) {
  let token: string | undefined;
  return {
    id: ID,
    async issue(): Promise<void> {
      token = newToken(ID);
      await writePrivate(file, `${token}\n`);
    },
    async withdraw(): Promise<void> {
      const written = (await readPrivate(file))?.trim();
      // Another server may have taken over the home meanwhile.
      if (token !== undefined && written === token) await removePrivate(file);
      token = undefined;
    },
    actor(presented: string): Actor | undefined {
      if (token === undefined || !sameSecret(presented, token)) return undefined;
      return { kind: 'token', id: LOCAL_ACTOR, name: `local:${osUser}`, role: 'admin' };
    },
  };
}
