import { ms } from '../core/duration.ts';
import { createWebhooks } from '../systems/webhooks/index.ts';
import { webhookSettings } from './from-config.ts';
import type { Base } from './parts.ts';

/** The systems that meet other people's programs. */
export function composeEdge({ store, home, settings, config, world, node, now, log }: Base) {
  const webhooks = createWebhooks({
    store,
    home,
    thread: new URL('webhooks-thread.ts', import.meta.url),
    settings: () => webhookSettings(settings()),
    onSettings: (listener) => config.subscribe(listener),
    secrets: world.secrets,
    keepMs: () => ms(settings().retention.webhooks),
    node,
    now,
    log,
  });
  return { webhooks };
}
