import type { CheckTarget, ProbeResult, Prober, TargetOf } from '../core/check.ts';
import { StewardError } from '../core/errors.ts';
import type { Inventory } from '../core/inventory.ts';
import type { ConfiguredService } from '../core/inventory-writer.ts';
import type { Log } from '../core/log.ts';
import type { Discovery } from '../systems/discovery/index.ts';

interface Answers {
  push(target: TargetOf<'push'>): Promise<ProbeResult>;
}

/** A prober that asks Steward's own systems where they are who knows, and the world for the rest. */
export function knowing(prober: Prober, answers: Answers): Prober {
  return {
    async probe(target: CheckTarget, options) {
      if (target.kind === 'push') return await answers.push(target);
      return await prober.probe(target, options);
    },
  };
}

/** Services that only Steward knows of become known to the inventory at once, not with the next scan. */
export async function bringIn(
  services: readonly Pick<ConfiguredService, 'name'>[],
  { inventory, discovery, log }: { inventory: Inventory; discovery: Pick<Discovery, 'scan'>; log: Log },
): Promise<void> {
  try {
    await discovery.scan('request');
    const known = new Set((await inventory.find()).map(({ name }) => name));
    // It joined a scan that had begun before.
    if (services.some(({ name }) => !known.has(name))) await discovery.scan('request');
  } catch (thrown) {
    const { code, message } = StewardError.from(thrown);
    log.warn('new services become known with the next scan', { code, reason: message });
  }
}
