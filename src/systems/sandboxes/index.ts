import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { defineQuery, NoInput } from '../../core/operation.ts';
import type { BackupsPort } from '../../core/ports/backups.ts';
import type { SandboxUpkeep } from '../../core/ports/sandboxes.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';

export interface SandboxesDeps {
  readonly sandboxes: SandboxUpkeep;
  /** Removes what a process left that died. */
  readonly sweep: BackupsPort['sweep'];
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly node: { readonly id: string };
  readonly log: Log;
}

const SandboxView = z.object({
  id: z.string(),
  source: z.string(),
  kind: z.string(),
  copy: z.string().describe('Id of the copy that it was made of.'),
  snapshotAt: z.coerce.date().describe('Of which instant the data was when it was restored.'),
  openedAt: z.coerce.date(),
  until: z.coerce.date().describe('When it goes by itself.'),
  statement: z.string(),
  connect: z.string().describe("Leads there in a shell, as Steward's own user or root."),
  host: z.string().optional().describe('The Unix socket, or the folder that it lies in.'),
  port: z.number().int().optional(),
  user: z.string().optional(),
  database: z.string().optional(),
  path: z.string().optional(),
});

/** Sees to it that no sandbox outlives its time, nor this process. Automations open and close them. */
export function createSandboxKeeper({ sandboxes, sweep, store, node, log }: SandboxesDeps): System {
  const stopping = new AbortController();
  let sweeping: Promise<unknown> | undefined;
  return {
    name: 'sandboxes',
    operations: [
      defineQuery({
        name: 'backup-sandboxes',
        title: 'Open sandboxes',
        summary: 'Copies that were restored into a throw-away place on this machine: how to get there, and until when.',
        permission: 'read',
        input: NoInput,
        output: z.object({ items: z.array(SandboxView) }),
        cli: ['backup', 'sandboxes'],
        columns: ['id', 'source', 'snapshotAt', 'until', 'connect'],
        handle: async () => ({ items: [...sandboxes.list()] }),
      }),
    ],
    jobs: [
      {
        name: 'sandbox-watch',
        summary: 'Closes the sandboxes whose time is up.',
        schedule: { every: '1m', overlap: 'skip', catchUp: 'skip' },
        async run() {
          for await (const { sandbox, why } of sandboxes.closeDue()) {
            log.info('a sandbox was closed', { sandbox: sandbox.id, source: sandbox.source, why });
            await store.db.transaction().execute((trx) =>
              store.events.append(trx, {
                type: 'backup.sandbox-closed',
                node: node.id,
                subject: { kind: 'sandbox', id: sandbox.id },
                data: { source: sandbox.source, copy: sandbox.copy, why },
              }),
            );
          }
        },
      },
    ],
    async start() {
      // What a Steward before this one left takes its time to end: nobody waits for that.
      sweeping = sweep({ signal: stopping.signal }).catch((thrown: unknown) => {
        if (!stopping.signal.aborted)
          log.warn('what is left stays for now', { reason: StewardError.from(thrown).message });
      });
    },
    async stop() {
      stopping.abort();
      await sweeping;
      await sandboxes.closeAll();
    },
  };
}
