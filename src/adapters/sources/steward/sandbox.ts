import { join } from 'node:path';
import type { Sandbox, SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { lookAtLayer } from '../layer.ts';
import type { ThrowAway } from '../postgres/throw-away.ts';
import { makeScratch } from '../scratch.ts';
import type { StewardDeps } from './own-state.ts';
import { HOME, storePart } from './parts.ts';
import { compareState, keysOf, restoreState, unpackState } from './restored.ts';
import { SCRATCH_KIND } from './stage.ts';

/** A server of Steward's own PostgreSQL on the restored store, and the files beside it. */
export async function sandboxOfState(
  { own, programs, account }: StewardDeps,
  copy: SealedCopy,
  { scratch, owner }: { readonly scratch: string; readonly owner: string },
  doing: Doing,
): Promise<Sandbox> {
  const room = copy.manifest.parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const folder = await makeScratch(scratch, { kind: SCRATCH_KIND, owner, room });
  let server: ThrowAway | undefined;
  const end = async (): Promise<void> => {
    await server?.end();
    await folder.remove();
  };
  const started = (): ThrowAway => {
    if (server) return server;
    throw new StewardError('PRECONDITION_FAILED', 'Nothing was restored, so nothing can be asked of it.');
  };
  try {
    const store = await own.store();
    const restore = await lookAtLayer('restore', async () => {
      if (!storePart(copy)) {
        await unpackState({ copy, programs, into: folder.path }, doing);
        return {
          ok: true,
          statement: 'Its files were restored into an empty folder; its store is a source of its own.',
        };
      }
      if (!store)
        throw new StewardError(
          'PRECONDITION_FAILED',
          'The copy has a store, and this Steward brings none to try it with.',
        );
      const role = store.access.user;
      server = await restoreState(
        { copy, folder, store, role, programs, account: await account(), durable: false },
        doing,
      );
      return { ok: true, statement: `A throw-away PostgreSQL ${store.version} runs on the restored store.` };
    });
    return {
      restore,
      end,
      content: (during) =>
        lookAtLayer('content', () =>
          compareState(copy, { access: storePart(copy) && started().access, folder: folder.path }, during),
        ),
      assertions: async () => {
        if (!storePart(copy)) return { layers: [] };
        const opened = await lookAtLayer('content', async () => {
          const keys = await keysOf(folder.path, own.home);
          const found = await own.opens({
            access: started().access,
            home: join(folder.path, HOME),
            keys: keys.path,
          });
          const whose = keys.own ? 'the copy' : 'this home, which are in the recovery kit,';
          return { ...found, statement: `With the keys of ${whose} ${found.statement}` };
        });
        return { layers: [opened] };
      },
      environment: {
        STEWARD_SANDBOX_PATH: join(folder.path, HOME),
        ...(server && {
          STEWARD_SANDBOX_HOST: started().access.host,
          STEWARD_SANDBOX_PORT: String(started().access.port),
          STEWARD_SANDBOX_USER: started().access.user,
          STEWARD_SANDBOX_DATABASE: 'postgres',
        }),
      },
      ended: server?.ended,
    };
  } catch (thrown) {
    await end();
    throw thrown;
  }
}
