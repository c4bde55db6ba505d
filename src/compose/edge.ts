import { createWebhookSender } from '../adapters/endpoints/index.ts';
import { createWayOut, whereIs } from '../adapters/probes/way-out.ts';
import { ms } from '../core/duration.ts';
import type { NodeRecord } from '../core/node.ts';
import type { WorkflowService } from '../core/run-service.ts';
import { createEndpoints, type EndpointDeps } from '../systems/endpoints/index.ts';
import { createGateway } from '../systems/gateway/index.ts';
import type { Monitoring } from '../systems/monitoring/index.ts';
import { createProbes, type Probes, type ProbesDeps } from '../systems/probes/index.ts';
import { createWebhooks, type Webhooks } from '../systems/webhooks/index.ts';
import { endpointSettings, probesSettings, webhookSettings } from './from-config.ts';
import { gatewaySettings } from './gateway-from-config.ts';
import type { Base } from './parts.ts';

type Known = Pick<EndpointDeps & ProbesDeps, 'incidents' | 'inventory' | 'vault'> & {
  readonly monitoring: Pick<Monitoring, 'sharedChecks' | 'status'>;
  readonly nodes: () => Promise<readonly NodeRecord[]>;
  readonly workflows: WorkflowService;
  readonly publicUrl: () => string | undefined;
};

/** Said here, because monitoring, which these need, needs one of them. */
export interface Edge {
  readonly webhooks: Webhooks;
  readonly endpoints: ReturnType<typeof createEndpoints>;
  readonly probes: Probes;
  readonly gateway: ReturnType<typeof createGateway>;
}

/** The systems that meet other people's programs. */
export function composeEdge(
  { store, home, settings, config, world, node, now, log }: Base,
  { monitoring, workflows, publicUrl, nodes, ...known }: Known,
): Edge {
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
    incidents: known.incidents,
    workflows,
    keepMs,
    node,
    now,
    log,
  });
  const endpoints = createEndpoints({
    ...known,
    store,
    nodes,
    sender: createWebhookSender({ outbound, now }),
    secrets,
    settings: () => endpointSettings(settings()),
    onSettings,
    keepMs,
    node,
    now,
    log,
  });
  const probes = createProbes({
    ...known,
    store,
    secrets,
    sharedChecks: monitoring.sharedChecks,
    settings: () => probesSettings(settings()),
    wayTo: createWayOut({ prober: world.prober, references: () => settings().places.references }),
    whereIs,
    baseUrl: publicUrl,
    keepMs: () => ms(settings().retention.probes),
    node,
    now,
    log,
  });
  const gateway = createGateway({
    store,
    home,
    thread: new URL('gateway-thread.ts', import.meta.url),
    settings: () => gatewaySettings(settings()),
    onSettings,
    secrets,
    inventory: known.inventory,
    monitor: monitoring,
    incidents: known.incidents,
    // One that is lost may have lost the store alone, and serve on.
    nodes: async () => (await nodes()).filter(({ state }) => state !== 'left').length,
    node,
    now,
    log,
  });
  return { webhooks, endpoints, probes, gateway };
}
