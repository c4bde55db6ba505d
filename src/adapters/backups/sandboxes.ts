import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Sandbox } from '../../core/backup/reader.ts';
import type { SourceKind } from '../../core/backup/source.ts';
import { StewardError } from '../../core/errors.ts';
import type { OpenSandbox, SandboxesPort, SandboxUpkeep } from '../../core/ports/sandboxes.ts';
import { shellWord } from '../../core/shell-word.ts';
import { reachOf } from './reach.ts';
import { contentOf, type SandboxDeps } from './sandbox.ts';

interface Held {
  readonly open: OpenSandbox;
  readonly sandbox: Sandbox;
  /** Its server ended by itself. */
  ended: boolean;
}

/**
 * Sandboxes that stay. What holds them is the memory of this process: one whose process died is swept as what any restore leaves,
 * so nothing can stay for longer than somebody looks after it.
 */
export function createSandboxes(deps: SandboxDeps & { readonly now: () => Date }): SandboxesPort & SandboxUpkeep {
  const { scratch, now } = deps;
  const { sealed, sourceOf } = reachOf(deps);
  const held = new Map<string, Held>();
  const opening = new Map<string, Promise<OpenSandbox>>();
  const stopping = new AbortController();

  const heldAs = (id: string): Held => {
    const found = held.get(id);
    if (found) return found;
    throw new StewardError('NOT_FOUND', `No sandbox '${id.slice(0, 100)}' is open on this machine.`, {
      hint: 'steward backup sandboxes shows those that are. They end with their time, and with Steward.',
    });
  };

  const open: SandboxesPort['open'] = async (place, { id, forMs }, { signal, ...doing }) => {
    // It has a life of its own: what ends the run afterwards does not end it.
    const life = new AbortController();
    const asked = AbortSignal.any([signal, stopping.signal]);
    const cut = (): void => life.abort(asked.reason);
    asked.throwIfAborted();
    asked.addEventListener('abort', cut, { once: true });
    try {
      const { source, reader } = sourceOf(place);
      const during = { ...doing, signal: life.signal };
      const copy = await sealed(place, during);
      const where = { scratch, owner: id, beside: 'never', prove: true } as const;
      const sandbox = await reader.sandbox(source, copy, where, during);
      if (!sandbox.restore.ok || life.signal.aborted) {
        await sandbox.end();
        life.signal.throwIfAborted();
        throw new StewardError('VERIFICATION_FAILED', `The copy could not be restored: ${sandbox.restore.statement}`, {
          hint: 'steward backup verify looks for a copy that can be.',
        });
      }
      const openedAt = now();
      const opened: Held = {
        open: {
          id,
          source: source.name,
          kind: source.kind,
          copy: copy.manifest.copy,
          snapshotAt: new Date(copy.manifest.snapshotAt),
          openedAt,
          until: new Date(openedAt.getTime() + forMs),
          statement: sandbox.restore.statement,
          ...reachedBy(source.kind, sandbox.environment),
        },
        sandbox,
        ended: false,
      };
      void sandbox.ended?.then(() => (opened.ended = true));
      held.set(id, opened);
      return opened.open;
    } finally {
      asked.removeEventListener('abort', cut);
    }
  };

  async function close({ open: { id }, sandbox }: Held): Promise<void> {
    await sandbox.end();
    held.delete(id);
  }

  return {
    list: () => [...held.values()].filter(({ ended }) => !ended).map((each) => each.open),

    async room() {
      // Before anything was ever restored it is not there.
      const { bavail, bsize } = await statfs(scratch).catch(() => statfs(dirname(scratch)));
      return { folder: scratch, freeBytes: bavail * bsize };
    },

    async open(place, order, doing) {
      const underway = opening.get(order.id);
      if (underway) return await underway;
      const there = held.get(order.id);
      if (there && !there.ended) return there.open;
      if (there) await close(there);
      const opened = open(place, order, doing).finally(() => opening.delete(order.id));
      opening.set(order.id, opened);
      return await opened;
    },

    prove: async (id, doing) => await contentOf(heldAs(id).sandbox, doing),

    async close(id) {
      const there = held.get(id);
      if (there) await close(there);
      return there !== undefined;
    },

    async *closeDue() {
      const failures: unknown[] = [];
      for (const each of held.values()) {
        const why = each.ended ? 'its server ended' : each.open.until <= now() ? 'its time was up' : undefined;
        if (why === undefined) continue;
        try {
          await close(each);
          yield { sandbox: each.open, why };
        } catch (thrown) {
          failures.push(thrown);
        }
      }
      if (failures.length > 0) throw failures[0];
    },

    async closeAll() {
      stopping.abort(new StewardError('CANCELED', 'Steward stops.'));
      await Promise.allSettled(opening.values());
      await Promise.all([...held.values()].map(close));
    },
  };
}

type Reached = Pick<OpenSandbox, 'connect' | 'host' | 'port' | 'user' | 'database' | 'path'>;

/** How a person gets there, of what programs are told of it. */
function reachedBy(kind: SourceKind, environment: Sandbox['environment']): Reached {
  const said = (name: string): string | undefined => environment[`STEWARD_SANDBOX_${name}`] || undefined;
  const place = {
    host: said('HOST'),
    port: said('PORT') === undefined ? undefined : Number(said('PORT')),
    user: said('USER'),
    database: said('DATABASE'),
    path: said('PATH'),
  };
  return { ...place, connect: connectTo(kind, place).map(shellWord).join(' ') };
}

function connectTo(
  kind: SourceKind,
  { host = '', port, user = '', database = '', path = '' }: Omit<Reached, 'connect'>,
): string[] {
  if (kind === 'mysql') return ['mariadb', `--socket=${host}`, `--user=${user}`, database];
  if (kind === 'redis') return ['redis-cli', '-s', host];
  if (kind === 'sqlite') return ['sqlite3', path];
  return host === '' ? ['cd', path] : ['psql', '-h', host, '-p', String(port), '-U', user, '-d', database];
}
