import { join, resolve } from 'node:path';
import { createChannel } from '../adapters/channels/channels.ts';
import { createRecentLog } from '../adapters/log/recent.ts';
import { createPing } from '../adapters/channels/ping.ts';
import { createDeclarations } from '../adapters/declarations/index.ts';
import { createExports } from '../adapters/exports/index.ts';
import { createEvidence } from '../adapters/evidence/index.ts';
import { ownAddresses } from '../adapters/host/addresses.ts';
import { configuredRecipe } from '../adapters/processes/configured.ts';
import { createServiceLogs } from '../adapters/service-logs/index.ts';
import { readMcpFiles } from '../adapters/recognize/mcp-files.ts';
import { writeTextfile } from '../adapters/textfile/index.ts';
import { createVault } from '../adapters/vault/index.ts';
import { auditDestinations, brokenRecord, configurationRecord } from './audit-from-config.ts';
import { automations } from '../automations/index.ts';
import { backupRepositories, backupSources } from './backups-from-config.ts';
import { migrationSets, scratchOf } from './backups-of.ts';
import { configOperations } from '../config/operations.ts';
import { loadRunbooks } from '../config/runbooks.ts';
import type { Config } from '../config/schema.ts';
import { sourceOfServer } from '../core/backup/propose.ts';
import { workingIn } from '../adapters/procfs/working-in.ts';
import { type Catalog, createCatalog } from '../core/catalog.ts';
import { ms } from '../core/duration.ts';
import { inToolset } from '../core/operation.ts';
import { DEFAULT_POLICY } from '../core/policy.ts';
import { isFinal } from '../core/run.ts';
import type { PortStatus } from '../core/ports.ts';
import type { System } from '../core/system.ts';
import { createFamilies } from '../engine/families.ts';
import { createEngine, type Engine } from '../engine/index.ts';
import { nextInstant } from '../engine/instants.ts';
import {
  alertingSettings,
  configuredHeartbeats,
  configuredMaintenance,
  channelsOf,
  configuredServices,
  deadManSettings,
  engineRetention,
  memoryLimits,
  metricsSettings,
  monitoringSettings,
  reportsSettings,
  runLimits,
  workflowCall,
} from './from-config.ts';
import { bringIn, knowing } from './known-services.ts';
import { forgetNode } from './node-removed.ts';
import { noticesOf } from './notices.ts';
import { scheduleIncident } from './schedule-incident.ts';
import { runbookPages } from './runbook-pages.ts';
import { kitProblem, kitState } from '../recovery-kit.ts';
import { overviewOf } from './overview.ts';
import { type Rest } from '../surfaces/rest/index.ts';
import { healthReportHtml } from '../surfaces/documents/health-report.ts';
import { performanceReportHtml } from '../surfaces/documents/performance-report.ts';
import { statusPageHtml } from '../surfaces/documents/status-page.ts';
import { weeklySummaryHtml } from '../surfaces/documents/weekly-summary.ts';
import { createAnomalies } from '../systems/anomalies/index.ts';
import { createDeadMan } from '../systems/alerting/dead-man.ts';
import { createAlerting } from '../systems/alerting/index.ts';
import { type Audit, createAudit } from '../systems/audit/index.ts';
import { createChecklists } from '../systems/checklists/index.ts';
import { createChanges } from '../systems/changes/index.ts';
import { createDiscovery, type Discovery } from '../systems/discovery/index.ts';
import { createHeartbeats, HEARTBEAT_LABEL } from '../systems/heartbeats/index.ts';
import { createHealing } from '../systems/healing/index.ts';
import { createIdentity, type IdentitySystem } from '../systems/identity/index.ts';
import { createIncidents } from '../systems/incidents/index.ts';
import { createInventory } from '../systems/inventory/index.ts';
import { inventoryUpkeep } from '../systems/inventory/upkeep.ts';
import { createMaintenance } from '../systems/maintenance/index.ts';
import { createLogs } from '../systems/logs/index.ts';
import { createMetrics } from '../systems/metrics/index.ts';
import { createMonitoring } from '../systems/monitoring/index.ts';
import { createRecipes } from '../systems/recipes/index.ts';
import { createReports } from '../systems/reports/index.ts';
import { createSecurity } from '../systems/security/index.ts';
import { createStatusPage } from '../systems/status-page/index.ts';
import { createStatus, type Notice } from '../systems/status/index.ts';
import { workflows } from '../workflows/index.ts';
import { workOfRun } from './work-of-run.ts';
import type { Base, Parts } from './parts.ts';
import { composeData, reachData } from './data.ts';
import { composeEdge, type Edge } from './edge.ts';
import { portsOfRuns } from './ports.ts';
import { composeSurfaces } from './surfaces.ts';
import { createWorld, senses } from './world.ts';

/** Of a look that somebody waits for. */
const PROBE_NOW_MS = 10_000;

export interface Composition {
  readonly catalog: Catalog;
  readonly engine: Engine;
  readonly audit: Audit;
  readonly identity: IdentitySystem;
  readonly discovery: Discovery;
  readonly rest: Rest;
  /** In the order to start them; stopped in reverse. */
  readonly systems: readonly System[];
  /** What a person should know at the start: no channel, no root, no Docker. */
  notices(): Promise<Notice[]>;
}

/** The only place that constructs adapters, engine, systems and surfaces. Nothing runs before `start`. */
export function compose(parts: Parts): Composition {
  const { store, node, home, config, log, now, version } = parts;
  const settings = (): Config => config.current().config;
  const world = createWorld({
    ...parts,
    protectedImages: () => settings().docker.protect,
    memory: () => memoryLimits(settings()),
  });
  const base: Base = { ...parts, settings, world };
  const { programs, processes, docker, systemd, sockets, host, prober, secrets, outbound, recognizer } = world;

  const nodeName = async (id: string): Promise<string> =>
    id === node.id ? node.name : ((await engine.nodes()).find((each) => each.id === id)?.name ?? id);
  const audit = createAudit({
    store,
    key: parts.auditKey,
    checkpointFile: join(home, 'audit-checkpoints.jsonl'),
    ...auditDestinations(settings(), { ...world, node: node.name }),
    node: node.name,
    nodeName,
    onBroken: async (report) => void (await incidents.open(brokenRecord(report, node))),
    now,
    log,
  });
  const vault = createVault({ key: parts.vaultKey });
  const identity = createIdentity({
    store,
    audit,
    vault,
    setupLinkFile: join(home, 'setup-link'),
    cliTokenFile: join(home, 'cli-token'),
    osUser: parts.osUser,
    node: node.name,
    now,
    elsewhere: { settings: () => settings().auth, secrets, requests: outbound, log },
  });
  const { inventory, writer } = createInventory({ store });
  const recipes = createRecipes({
    store,
    vault,
    keyFile: join(home, 'vault.key'),
    processes,
    written: configuredRecipe,
    configured: () => configuredServices(settings()),
    node,
    now,
  });

  const reach = reachData(base);
  const engine = createEngine({
    store,
    // Filled below, with what the systems bring; nobody asks before the start.
    catalog: () => catalog,
    ports: portsOfRuns(base, {
      inventory,
      recipes: recipes.port,
      reach,
      systems: () => ({ engine, monitoring, incidents, metrics, backups, databases, reports, webhooks }),
    }),
    inventory,
    audit,
    log,
    now,
    node: { ...node, version, labels: settings().node.labels },
    policyRules: () => [...settings().policy, ...DEFAULT_POLICY],
    artifacts: join(home, 'artifacts'),
    retention: () => engineRetention(settings()),
    runLimits: () => runLimits(settings()),
    killGroup: (identity) => programs.endGroup(identity),
    host,
    programMemory: () => memoryLimits(settings()).perProgram,
    confirm: (request) => identity.confirm(request),
    async usablePorts(given) {
      const states: Record<string, PortStatus> = { docker: await docker.status(), systemd: await systemd.status() };
      return given.filter((name) => states[name]?.ok !== false);
    },
    handOver: { vaultKey: parts.vaultKey.toString('hex'), publicUrl: () => settings().server.publicUrl },
    async recoveryPointOf(id) {
      const resource = await inventory.get(id);
      const source = resource?.node === node.id ? sourceOfServer(resource, backupSources(settings())) : undefined;
      return source && (await backups.recoveryPoint(source));
    },
    onNodeRemoved: (gone) => forgetNode(gone, { writer, monitoring, incidents, now }),
    onRemoved: parts.onRemoved,
    secrets,
    wholeEvent: (event) => webhooks.whole(event),
    onScheduleDifference: async (report) => void (await incidents.open(scheduleIncident(report))),
  });

  const keepIncidentsMs = (): number => ms(settings().retention.incidents);
  const maintenance = createMaintenance({
    store,
    inventory,
    next: nextInstant,
    configured: () => configuredMaintenance(settings()),
    nodes: () => engine.nodes(),
    node,
    isOver: async (owner) => {
      const run = await engine.service.get(owner);
      return run === undefined || isFinal(run.status);
    },
    workOf: (runId) =>
      workOfRun(runId, {
        runs: engine.service,
        inventory,
        sources: () => backupSources(settings()),
        migrations: () => migrationSets(settings()),
        node: node.id,
      }),
    now,
    log,
    keepMs: keepIncidentsMs,
  });
  const heartbeats = createHeartbeats({
    store,
    next: nextInstant,
    configured: () => configuredHeartbeats(settings()),
    provision: () => settings().heartbeats.provision,
    node,
    baseUrl: () => publicUrl(),
    onChanged: () => void bringIn(heartbeats.services(), { inventory, discovery, log }),
    async onPing(name) {
      const resource = (await inventory.find()).find((each) => each.labels[HEARTBEAT_LABEL] === name);
      if (resource) await monitoring.probeNow(resource.id, AbortSignal.timeout(PROBE_NOW_MS));
    },
    keepMs: () => ms(settings().retention.probes),
    now,
    log,
  });
  const monitoring = createMonitoring({
    store,
    inventory,
    maintenance,
    prober: knowing(prober, { push: (target) => heartbeats.probe(target) }),
    places: { judge: (check, seen) => probes.votes.judge(check, seen) },
    node: node.id,
    absentNodes: () => engine.absentNodes(),
    settings: () => monitoringSettings(settings()),
    keepResultsMs: () => ms(settings().retention.probes),
    now,
    log,
  });
  const metrics = createMetrics({
    store,
    inventory,
    meters: [
      world.hostMeter,
      world.ownMeter,
      { read: () => databases.meter.read() },
      { read: () => probes.meter.read() },
      { read: () => gateway.meter.read() },
    ],
    usage: world.usage,
    watched: () => monitoring.here(),
    settings: () => metricsSettings(settings()),
    node,
    nodeName,
    nodeId: async (name) => (await engine.nodes()).find((each) => each.name === name)?.id ?? name,
    textfile: {
      settings: () => settings().metrics.textfile,
      write: writeTextfile,
      inventory,
      monitor: monitoring,
      node,
    },
    now,
    log,
  });
  const discovery = createDiscovery({
    writer,
    inventory,
    ports: { sockets, processes, docker, systemd },
    recognizer,
    mcpServers: (seen) => readMcpFiles(undefined, seen),
    declarations: createDeclarations({ composeFolders: () => settings().discovery.composeFolders }),
    machine: ownAddresses,
    recipes: recipes.keeper,
    kept: recipes.port.kept,
    node,
    now,
    log,
    self: { pids: () => [...parts.ownPids(), ...workingIn(scratchOf(home))] },
    configured: () => [...configuredServices(settings()), ...heartbeats.services()],
    enabled: () => settings().discovery.enabled,
    trustLabels: () => settings().discovery.trustLabels,
    every: settings().discovery.every,
    monitor: () => monitoring,
  });
  const evidence = createEvidence({ processes, docker, systemd, sockets, host, monitor: monitoring });
  const changes = createChanges({ store, inventory, packages: world.packages, node });
  const incidents = createIncidents({
    store,
    inventory,
    monitor: monitoring,
    evidence,
    changes,
    maintenance,
    keepMs: keepIncidentsMs,
    node,
    now,
    log,
  });
  const anomalies = createAnomalies({
    store,
    metrics: metrics.port,
    incidents,
    inventory,
    maintenance,
    watched: () => monitoring.here(),
    enabled: () => settings().metrics.enabled,
    node,
    now,
  });
  const runbooks = loadRunbooks({
    shipped: resolve(import.meta.dirname, '../runbooks'),
    own: join(home, 'runbooks'),
    automations: new Map(automations().map((automation) => [automation.name, automation])),
  });
  const healing = createHealing({
    store,
    incidents,
    monitor: monitoring,
    checks: monitoring.checks,
    evidence,
    inventory,
    runs: engine.service,
    runbooks: () => runbooks.runbooks,
    runbookProblems: () => runbooks.problems,
    maintenance,
    automation: (name) => catalog.automations.get(name),
    sourceOf: (resource) => sourceOfServer(resource, backupSources(settings()))?.name,
    ports: { docker, systemd },
    node,
    now,
    log,
    settings: () => settings().healing,
    keepMs: keepIncidentsMs,
  });
  const alerting = createAlerting({
    store,
    breakers: engine.breakers,
    incidents,
    inventory,
    maintenance,
    channels: () =>
      channelsOf(settings()).map((channel) => createChannel(channel, { outbound, secrets, programs, now })),
    settings: () => alertingSettings(settings()),
    deadMan: createDeadMan({
      settings: () => deadManSettings(settings()),
      ping: createPing({ outbound, secrets }),
      atWork: async () => (await store.health()).ok,
      now,
      log,
    }),
    now,
    log,
    node: node.name,
    publicUrl: () => publicUrl(),
    vault,
    linkUrl: () => settings().server.publicUrl,
    timeline: (id) => incidents.timeline(id),
  });
  const security = createSecurity({ store, records: audit, incidents, node, now, log });
  const logs = createLogs({
    inventory,
    logs: createServiceLogs({ docker, systemd }),
    own: parts.ownLog ?? createRecentLog(now),
    runLines: engine.runLines.recent,
    node,
    nodeName,
    now,
    log,
  });
  const reports = createReports({
    store,
    runs: engine.service,
    incidents,
    inventory,
    monitor: monitoring,
    responseTimes: monitoring.responseTimes,
    uptimes: monitoring.uptimes,
    restarts: healing.restarts,
    render: { health: healthReportHtml, performance: performanceReportHtml, weekly: weeklySummaryHtml },
    send: ({ id, ...report }) => alerting.mail({ key: id, ...report }),
    exports: createExports(home),
    settings: () => reportsSettings(settings()),
    node,
    now,
    log,
  });
  const { backups, databases, migrations, sandboxes } = composeData(base, {
    reach,
    engine,
    incidents,
    inventory,
    catalog: () => catalog,
    keepIncidentsMs,
  });
  const families = createFamilies({ store, catalog: () => catalog });
  const status = createStatus({
    version,
    node,
    startedAt: now(),
    ...overviewOf({
      store,
      host,
      inventory,
      engine,
      runs: engine.service,
      monitoring,
      healing,
      incidents,
      alerting,
      deadManConfigured: () => settings().deadMan !== undefined,
      notices,
    }),
  });

  const statusPage = createStatusPage({
    settings: () => settings().statusPage,
    services: async () => (await monitoring.report()).services,
    uptime: monitoring.uptime,
    render: statusPageHtml,
    exports: createExports(home),
    now,
  });

  const { webhooks, endpoints, probes, gateway }: Edge = composeEdge(base, {
    vault,
    inventory,
    incidents,
    monitoring,
    workflows: engine.workflows,
    publicUrl: () => publicUrl(),
    nodes: () => engine.nodes(),
  });

  const systems: System[] = [
    senses(world),
    families,
    audit,
    configurationRecord(config, { audit, log }),
    identity,
    maintenance,
    heartbeats,
    monitoring,
    probes,
    metrics,
    discovery,
    changes,
    incidents,
    anomalies,
    healing,
    alerting,
    security,
    logs,
    reports,
    backups,
    databases,
    migrations,
    sandboxes,
    status,
    statusPage,
    webhooks,
    endpoints,
    gateway,
    createChecklists({ store }),
  ];
  const catalog = createCatalog({
    automations: automations(),
    workflows: workflows(
      (workflow, step) => workflowCall(settings(), workflow, step),
      () => settings().backups.schedule,
    ),
    configured: () => settings().workflows.custom,
    operations: [
      ...systems.flatMap(({ name, operations }) => inToolset(name, operations)),
      ...engine.operations,
      ...inToolset('configuration', configOperations(config)),
    ],
  });
  engine.register([...systems.flatMap(({ jobs }) => jobs), inventoryUpkeep({ store, keepMs: keepIncidentsMs })]);

  const { rest, publicUrl } = composeSurfaces(base, {
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
    runbooks: runbookPages(catalog, runbooks.runbooks),
  });

  function notices(): Promise<Notice[]> {
    return noticesOf({
      home,
      docker,
      systemd,
      mode: () => engine.service.mode(),
      rejected: config.rejected(),
      runbookProblems: runbooks.problems,
      noChannel: alerting.notice(),
      unmeasured: metrics.notice(),
      deadManConfigured: settings().deadMan !== undefined,
      nodes: () => engine.nodes().catch(() => []),
      pauses: () => engine.pauses().catch(() => []),
      labelled: () => inventory.find({ kind: 'service', node: node.id }).catch(() => []),
      lackingPlaces: () => probes.lacking().catch(() => []),
      audit,
      kit: async () => kitProblem(await kitState(backupRepositories(settings(), home), { secrets, home })),
      now,
    });
  }

  return { catalog, engine, audit, identity, discovery, rest, systems, notices };
}
