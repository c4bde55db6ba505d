import { StewardError } from '../../core/errors.ts';
import type { OpenSandbox, SandboxesPort } from '../../core/ports/sandboxes.ts';

export interface FakeSandboxes extends SandboxesPort {
  put(sandbox: Partial<OpenSandbox> & Pick<OpenSandbox, 'id'>): void;
  /** So much is free from now on. */
  leave(freeBytes: number): void;
  /** From now on something else is in each than was copied. */
  spoil(): void;
  /** From now on there is nothing to compare with, for this reason. */
  obstruct(obstacle: string): void;
}

/** Sandboxes that are only a list. */
export function fakeSandboxes({ now }: { readonly now: () => Date }): FakeSandboxes {
  const open = new Map<string, OpenSandbox>();
  let freeBytes = 1e12;
  let spoilt = false;
  let obstacle: string | undefined;
  const sandbox = (given: Partial<OpenSandbox> & Pick<OpenSandbox, 'id'>): OpenSandbox => {
    const openedAt = now();
    const path = `/scratch/${given.id}`;
    const about = {
      source: 'shop',
      kind: 'files',
      copy: 'cp_1',
      snapshotAt: openedAt,
      statement: 'It was restored.',
    } as const;
    return { ...about, openedAt, until: openedAt, connect: `cd ${path}`, path, ...given };
  };
  return {
    put: (given) => void open.set(given.id, sandbox(given)),
    leave: (bytes) => void (freeBytes = bytes),
    spoil: () => void (spoilt = true),
    obstruct: (why) => void (obstacle = why),
    list: () => [...open.values()],
    room: async () => ({ folder: '/scratch', freeBytes }),
    async open({ source, location }, { id, forMs }) {
      const opened = sandbox({ id, source, copy: location.split('/').at(-1) ?? location });
      const made = { ...opened, until: new Date(opened.openedAt.getTime() + forMs) };
      open.set(id, made);
      return made;
    },
    async prove(id) {
      if (!open.has(id)) throw new StewardError('NOT_FOUND', `No sandbox ${id} is open.`);
      if (obstacle !== undefined) return { layers: [], obstacle };
      const statement = spoilt ? 'A row is missing.' : 'All is there.';
      return { layers: [{ layer: 'content', ok: !spoilt, statement, durationMs: 1 }] };
    },
    close: async (id) => open.delete(id),
  };
}
