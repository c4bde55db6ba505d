import { userInfo } from 'node:os';
import type { Environment } from './config/environment.ts';
import { localActor } from './local-actor.ts';
import { withStore } from './local-store.ts';

/** What some operations can do on the store itself, while no Steward serves. */
export function offlineOperations(
  environment: Environment,
): Record<string, (input: Record<string, unknown>) => Promise<unknown>> {
  return {
    'schedule-preview': async (input) => {
      const { previewHere } = await import('./engine/operations-preview.ts');
      return previewHere(input, new Date());
    },
    'create-token': (input) =>
      withStore(environment, async ({ store, audit }) => {
        const { createTokenHere } = await import('./systems/identity/operations-tokens.ts');
        const made = await createTokenHere(store, input, { osUser: userInfo().username, now: new Date() });
        await audit.append({
          action: 'command.create-token',
          actor: localActor(),
          subject: { kind: 'token', id: made.id },
          outcome: 'succeeded',
          from: 'local',
        });
        return made;
      }),
    'node-invite': (input) =>
      withStore(environment, async ({ store, audit }) => {
        const [{ createInvitations }, { vaultKey }, { ms }] = await Promise.all([
          import('./engine/join.ts'),
          import('./config/keys.ts'),
          import('./core/duration.ts'),
        ]);
        const key = (await vaultKey(environment.home)).toString('hex');
        const invitations = createInvitations({ store, vaultKey: key, publicUrl: () => undefined });
        const { expires, databaseUrl } = input as { expires: string; databaseUrl?: string };
        const made = await invitations.create({ expiresMs: ms(expires), databaseUrl, by: localActor().name });
        await audit.append({
          action: 'command.node-invite',
          actor: localActor(),
          outcome: 'succeeded',
          from: 'local',
          detail: { expiresAt: made.expiresAt.toISOString() },
        });
        return made;
      }),
    'audit-verify': () =>
      withStore(environment, async ({ audit }) => {
        const { intactOrThrow } = await import('./systems/audit/operations.ts');
        return intactOrThrow(await audit.verify());
      }),
  };
}
