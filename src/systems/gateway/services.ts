import type { Inventory } from '../../core/inventory.ts';
import type { Monitor } from '../../core/monitor.ts';
import { locate } from './locate.ts';
import type { Services } from './messages.ts';
import { isOrigin, type Located, type UpstreamSettings } from './upstream.ts';
import { within } from './within.ts';

/** Where services were when the store last said so; until it says something else that holds. */
export interface KnownServices {
  /** What upstreams of these settings name; waits a moment for what it does not know yet. */
  of(upstreams: readonly UpstreamSettings[]): Promise<Services>;
  /** Looks where they are now. One look at a time, however long the store takes; nothing where it named none. */
  look(): Promise<Services | undefined>;
}

const STORE_MS = 2_000;

export function createServices(deps: {
  readonly inventory: Pick<Inventory, 'resolve'>;
  readonly monitor: Pick<Monitor, 'status'>;
  readonly node: string;
}): KnownServices {
  const located = new Map<string, Located>();
  let names: readonly string[] = [];
  let looking: Promise<void> | undefined;

  async function find(wanted: readonly string[]): Promise<void> {
    const found = await locate(wanted, deps);
    for (const name of wanted) located.delete(name);
    for (const [name, place] of found) located.set(name, place);
  }

  return {
    async of(upstreams) {
      names = namesIn(upstreams);
      const unknown = names.filter((name) => !located.has(name));
      if (unknown.length > 0) await within(STORE_MS, find(unknown)).catch(() => undefined);
      for (const name of located.keys()) if (!names.includes(name)) located.delete(name);
      return located;
    },
    async look() {
      if (names.length === 0) return undefined;
      looking ??= find(names).finally(() => (looking = undefined));
      await looking;
      return located;
    },
  };
}

function namesIn(upstreams: readonly { readonly targets: readonly string[] }[]): string[] {
  return [...new Set(upstreams.flatMap(({ targets }) => targets.filter((each) => !isOrigin(each))))];
}
