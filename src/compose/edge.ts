import { createWebhookSender } from '../adapters/endpoints/index.ts';
import { ms } from '../core/duration.ts';
import { createEndpoints, type EndpointDeps } from '../systems/endpoints/index.ts';
import { createWebhooks } from '../systems/webhooks/index.ts';
import { endpointSettings, webhookSettings } from './from-config.ts';
import type { Base } from './parts.ts';

type Known = Pick<EndpointDeps, 'incidents' | 'inventory' | 'vault'>;

/** The systems that meet other people's programs. */
export function composeEdge({ store, home, settings, config, world, node, now, log }: Base, known: Known) {
  const { secrets, outbound } = world;
  const onSettings = (listener: () => void) => config.subscribe(listener);
  const keepMs = (): number => ms(settings().retention.webhooks);
  const webhooks = createWebhooks({
    store,
    home,
    thread: new URL('webhooks-thread.ts', import.meta.url),
    settings: () => webhookSettings(settings()),
    onSettings,
    secrets,
    keepMs,
    node,
    now,
    log,
  });
  const endpoints = createEndpoints({
    ...known,
    store,
    sender: createWebhookSender({ outbound, now }),
    secrets,
    settings: () => endpointSettings(settings()),
    onSettings,
    keepMs,
    node,
    now,
    log,
  });
  return { webhooks, endpoints };
}
