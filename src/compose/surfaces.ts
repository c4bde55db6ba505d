import type { Catalog } from '../core/catalog.ts';
import type { AnyOperation } from '../core/operation.ts';
import type { Engine } from '../engine/index.ts';
import { EVENTS_CHANNEL } from '../store/event-tables.ts';
import { topicsOf } from '../surfaces/live/topics.ts';
import { createMcp } from '../surfaces/mcp/http.ts';
import { mountAcknowledge } from '../surfaces/rest/acknowledge.ts';
import { mountHeartbeats } from '../surfaces/rest/heartbeats.ts';
import { mountHooks } from '../surfaces/rest/hooks.ts';
import { createRest, type Rest } from '../surfaces/rest/index.ts';
import { mountJoin } from '../surfaces/rest/join.ts';
import { mountMetrics } from '../surfaces/rest/metrics.ts';
import { mountPlaces } from '../surfaces/rest/places.ts';
import { mountStatusPage } from '../surfaces/rest/status-page.ts';
import type { Alerting } from '../systems/alerting/index.ts';
import type { Audit } from '../systems/audit/index.ts';
import type { Heartbeats } from '../systems/heartbeats/index.ts';
import type { IdentitySystem } from '../systems/identity/index.ts';
import { tellRefusals } from '../systems/identity/refusals.ts';
import type { Logs } from '../systems/logs/index.ts';
import type { Metrics } from '../systems/metrics/index.ts';
import type { Probes } from '../systems/probes/index.ts';
import type { StatusPages } from '../systems/status-page/index.ts';
import type { Webhooks } from '../systems/webhooks/index.ts';
import type { Runbook } from '../surfaces/mcp/deps.ts';
import type { Base } from './parts.ts';

export interface Mounted {
  readonly catalog: Catalog;
  readonly engine: Engine;
  readonly audit: Audit;
  readonly identity: IdentitySystem;
  readonly alerting: Alerting;
  readonly metrics: Metrics;
  readonly heartbeats: Heartbeats;
  readonly probes: Pick<Probes, 'receiver'>;
  readonly webhooks: Webhooks;
  readonly statusPage: StatusPages;
  readonly logs: Logs;
  readonly runbooks: readonly Runbook[];
}

/** The ways in: REST, MCP, the live stream, the page. */
export function composeSurfaces(
  { store, settings, page, node, version, now, log }: Base,
  {
    catalog,
    engine,
    audit,
    identity,
    alerting,
    metrics,
    heartbeats,
    probes,
    webhooks,
    statusPage,
    logs,
    runbooks,
  }: Mounted,
): { readonly rest: Rest; readonly publicUrl: () => string | undefined } {
  // Links in alerts need an address, and where none is configured it is known only when somebody listens.
  let address: string | undefined;

  const publicUrl = (): string | undefined => settings().server.publicUrl ?? address;

  const operationOf = (name: string): AnyOperation => {
    const operation = catalog.operations.get(name);
    if (!operation) throw new Error(`There is no operation '${name}'.`);
    return operation;
  };
  const record = tellRefusals({ audit, store, node: node.name });
  const mcp = createMcp({
    catalog,
    runs: engine.service,
    audit: record,
    settings: settings().server,
    page: () => publicUrl(),
    runbooks: runbooks,
    version,
    now,
    log,
  });
  const surface = createRest({
    catalog,
    runs: engine.service,
    identity,
    audit: record,
    events: { ...store.events, onNews: (handler) => store.listen(EVENTS_CHANNEL, handler) },
    live: {
      node: node.name,
      lines: topicsOf({
        logs: { feed: logs.feed, operation: 'logs-tail' },
        run: { feed: engine.runLines, operation: 'run-logs' },
      }),
    },
    settings: settings().server,
    page,
    mounts: [
      mcp.mount,
      (app) => mountJoin(app, engine.invitations),
      (app) =>
        mountAcknowledge(app, {
          links: alerting.links,
          acknowledge: operationOf('acknowledge-incident'),
          audit: record,
          now,
        }),
      (app) =>
        mountMetrics(app, {
          current: () => metrics.current(),
          node: node.name,
          open: settings().metrics.public,
          audit: record,
          now,
        }),
      (app) => mountHeartbeats(app, { pings: heartbeats, byName: operationOf('ping-heartbeat'), audit: record, now }),
      (app) => mountPlaces(app, { places: probes.receiver, audit: record }),
      (app) => mountHooks(app, webhooks.receiver),
      (app) => mountStatusPage(app, { pages: statusPage, identity, audit: record, now }),
    ],
    version,
    now,
    log,
  });

  const rest: Rest = {
    ...surface,
    async listen() {
      const listening = await surface.listen();
      address = listening.url;
      return listening;
    },
    async close() {
      await mcp.close();
      await surface.close();
    },
  };

  return { rest, publicUrl };
}
