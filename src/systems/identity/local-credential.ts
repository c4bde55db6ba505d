import { type Actor, LOCAL_ACTOR } from '../../core/actor.ts';
import { readPrivate, removePrivate, writePrivate } from './private-file.ts';
import { newToken, sameSecret } from './secrets.ts';

/** The CLI of this machine. It has no session, so it approves nothing that destroys. */
export const localCli = (osUser: string): LocalHolder => ({
  id: 'local',
  actor: { kind: 'token', id: LOCAL_ACTOR, name: `local:${osUser}`, role: 'admin' },
});

/** An AI assistant of this machine, through `steward mcp`: it plans, and what it may apply is policy. */
export const localAgent = (osUser: string): LocalHolder => ({
  id: 'agent',
  actor: { kind: 'token', id: 'token:agent', name: `mcp on ${osUser}`, role: 'agent' },
});

interface LocalHolder {
  /** What the token begins with. */
  readonly id: string;
  readonly actor: Actor;
}

/**
 * How somebody on this machine gets in: a token in a file that only the owner of the home can read, new with each start,
 * known to this process only.
 */
export function createLocalCredential({ file, holder }: { file: string; holder: LocalHolder }) {
  let token: string | undefined;
  return {
    id: holder.id,
    async issue(): Promise<void> {
      token = newToken(holder.id);
      await writePrivate(file, `${token}\n`);
    },
    async withdraw(): Promise<void> {
      const written = (await readPrivate(file))?.trim();
      // Another server may have taken over the home meanwhile.
      if (token !== undefined && written === token) await removePrivate(file);
      token = undefined;
    },
    actor(presented: string): Actor | undefined {
      return token !== undefined && sameSecret(presented, token) ? holder.actor : undefined;
    },
  };
}
