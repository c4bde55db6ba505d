import { join, resolve } from 'node:path';
import { createChannel } from './adapters/channels/channels.ts';
import { createRecentLog } from './adapters/log/recent.ts';
import { createPing } from './adapters/channels/ping.ts';
import { createDeclarations } from './adapters/declarations/index.ts';
import { createExports } from './adapters/exports/index.ts';
import { createEvidence } from './adapters/evidence/index.ts';
import { createFiles } from './adapters/files/index.ts';
import { ownAddresses } from './adapters/host/addresses.ts';
import { createHttp } from './adapters/http/index.ts';
import { configuredRecipe } from './adapters/processes/configured.ts';
import { createServiceLogs } from './adapters/service-logs/index.ts';
import { seeForBackups } from './adapters/sources/seen.ts';
import { readMcpFiles } from './adapters/recognize/mcp-files.ts';
import { createStorage } from './adapters/storage/index.ts';
import { largestLogs } from './adapters/storage/log-files.ts';
import { createSystemd } from './adapters/systemd/index.ts';
import { writeTextfile } from './adapters/textfile/index.ts';
import { createVault } from './adapters/vault/index.ts';
import { auditDestinations, brokenRecord, configurationRecord } from './audit-from-config.ts';
import { automations } from './automations/index.ts';
import { backupRepositories, backupSettings, backupSources } from './backups-from-config.ts';
import { type BackupsOf, backupsOf, migrationsOf, migrationSets } from './backups-of.ts';
import {
  databaseSettings,
  fitnessSettings,
  heavyTimes,
  nextDatabaseWindow,
  openDatabaseWindow,
} from './databases-from-config.ts';
import { expiryOf, fitnessOf } from './fitness-of.ts';
import type { Environment } from './config/environment.ts';
import { configOperations } from './config/operations.ts';
import { loadRunbooks } from './config/runbooks.ts';
import type { Config } from './config/schema.ts';
import type { ConfigService } from './config/watch.ts';
import { proposeSources, sourceOfServer } from './core/backup/propose.ts';
import { matchesGlob } from './core/glob.ts';
import { type Catalog, createCatalog } from './core/catalog.ts';
import type { Log } from './core/log.ts';
import { ms } from './core/duration.ts';
import { type AnyOperation, inToolset } from './core/operation.ts';
import { DEFAULT_POLICY } from './core/policy.ts';
import { isFinal } from './core/run.ts';
import type { Ports, PortStatus } from './core/ports.ts';
import type { System } from './core/system.ts';
import type { RunScope } from './engine/children.ts';
import { createFamilies } from './engine/families.ts';
import { createEngine, type Engine } from './engine/index.ts';
import { nextInstant } from './engine/instants.ts';
import {
  alertingSettings,
  allowedHosts,
  configuredHeartbeats,
  configuredMaintenance,
  channelsOf,
  configuredServices,
  deadManSettings,
  engineRetention,
  healthThresholds,
  memoryLimits,
  metricsSettings,
  monitoringSettings,
  reportingSettings,
  reportsSettings,
  webhookSettings,
  workflowCall,
} from './from-config.ts';
import { bringIn, knowing } from './known-services.ts';
import { historyOf } from './history-of.ts';
import { healthOf } from './health-of.ts';
import { forgetNode } from './node-removed.ts';
import { noticesOf } from './notices.ts';
import { scheduleIncident } from './schedule-incident.ts';
import { runbookPages } from './runbook-pages.ts';
import { exportKit, kitProblem, kitState } from './recovery-kit.ts';
import { overviewOf } from './overview.ts';
import { guardedHttp } from './safeguards/guarded-http.ts';
import { EVENTS_CHANNEL } from './store/event-tables.ts';
import type { Store } from './store/store.ts';
import { topicsOf } from './surfaces/live/topics.ts';
import { createMcp } from './surfaces/mcp/http.ts';
import type { Page } from './surfaces/page/index.ts';
import { createRest, type Rest } from './surfaces/rest/index.ts';
import { mountAcknowledge } from './surfaces/rest/acknowledge.ts';
import { mountHooks } from './surfaces/rest/hooks.ts';
import { mountHeartbeats } from './surfaces/rest/heartbeats.ts';
import { mountStatusPage } from './surfaces/rest/status-page.ts';
import { healthReportHtml } from './surfaces/documents/health-report.ts';
import { performanceReportHtml } from './surfaces/documents/performance-report.ts';
import { statusPageHtml } from './surfaces/documents/status-page.ts';
import { weeklySummaryHtml } from './surfaces/documents/weekly-summary.ts';
import { mountMetrics } from './surfaces/rest/metrics.ts';
import { mountJoin } from './surfaces/rest/join.ts';
import { createAnomalies } from './systems/anomalies/index.ts';
import { createBackupRecord } from './systems/backups/index.ts';
import { createDeadMan } from './systems/alerting/dead-man.ts';
import { createAlerting } from './systems/alerting/index.ts';
import { type Audit, createAudit } from './systems/audit/index.ts';
import { createDatabaseWatch } from './systems/databases/index.ts';
import { createChecklists } from './systems/checklists/index.ts';
import { createChanges } from './systems/changes/index.ts';
import { createDiscovery, type Discovery } from './systems/discovery/index.ts';
import { createHeartbeats, HEARTBEAT_LABEL } from './systems/heartbeats/index.ts';
import { createHealing } from './systems/healing/index.ts';
import { createIdentity, type IdentitySystem } from './systems/identity/index.ts';
import { tellRefusals } from './systems/identity/refusals.ts';
import { createIncidents } from './systems/incidents/index.ts';
import { createInventory } from './systems/inventory/index.ts';
import { inventoryUpkeep } from './systems/inventory/upkeep.ts';
import { createMigrationsView } from './systems/migrations/index.ts';
import { createMaintenance } from './systems/maintenance/index.ts';
import type { OwnLog } from './systems/logs/deps.ts';
import { createLogs } from './systems/logs/index.ts';
import { createMetrics } from './systems/metrics/index.ts';
import { createMonitoring } from './systems/monitoring/index.ts';
import { createRecipes } from './systems/recipes/index.ts';
import { createReports } from './systems/reports/index.ts';
import { createSecurity } from './systems/security/index.ts';
import { createStatusPage } from './systems/status-page/index.ts';
import { createStatus, type Notice } from './systems/status/index.ts';
import { createWebhooks } from './systems/webhooks/index.ts';
import { workflows } from './workflows/index.ts';
import { workOfRun } from './work-of-run.ts';
import { createWorld, senses } from './world.ts';

/** Of a look that somebody waits for. */
const PROBE_NOW_MS = 10_000;

export interface Parts {
  readonly version: string;
  readonly node: { readonly id: string; readonly name: string };
  readonly home: string;
  readonly environment: Environment;
  readonly config: Pick<ConfigService, 'current' | 'rejected' | 'subscribe'>;
  readonly store: Store;
  readonly auditKey: Buffer;
  /** Seals what must not be readable in the database. */
  readonly vaultKey: Buffer;
  readonly osUser: string;
  /** Pids of Steward and of the PostgreSQL it brings: not discovered. */
  readonly ownPids: () => readonly number[];
  readonly page?: Page | undefined;
  readonly log: Log;
  /** What the log said last; nothing where nobody keeps it. */
  readonly ownLog?: OwnLog | undefined;
  readonly now: () => Date;
  /** Somebody removed this node from its store: it has to end. */
  readonly onRemoved?: (() => void) | undefined;
}

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
  const { programs, processes, docker, systemd, sockets, host, prober, secrets, outbound, recognizer } = world;
  const files = createFiles({ roots: settings().files.roots });
  const http = createHttp({ outbound, allow: () => allowedHosts(settings()) });

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

  const reaching: BackupsOf = {
    dockerHost: parts.environment.dockerHost,
    configuration: () => config.current().file,
    databaseUrl: store.mode === 'external' ? store.databaseUrl : undefined,
    settings,
    secrets,
    home,
    node: node.name,
    say: (text) => log.info(text),
    now,
    log,
  };
  const backupsBy = backupsOf(reaching);
  const fitnessBy = fitnessOf(reaching);
  const migrationsBy = migrationsOf(reaching);
  const expiryBy = expiryOf(reaching);

  // Programs that a run starts are on record before they do anything.
  const portsOf = (scope: RunScope): Partial<Ports> => {
    const recorded = programs.recorded((child) => scope.recordChild(child, 'program'), {
      onEnd: (child) => scope.childEnded(child),
      signal: scope.signal,
      background: scope.background,
    });
    return {
      inventory,
      prober,
      checks: { of: async (resource) => await monitoring.checks.of(resource) },
      programs: recorded,
      processes,
      recipes: recipes.port,
      sockets,
      databases: world.databases,
      memory: world.memory,
      docker,
      systemd: createSystemd({ programs: recorded }),
      files,
      host,
      health: healthOf({
        monitoring,
        inventory,
        node: node.id,
        thresholds: () => healthThresholds(settings()),
        logFiles: () => largestLogs(),
      }),
      history: historyOf({
        store,
        monitoring,
        incidents,
        databases,
        reports,
        node: node.id,
        settings: () => reportingSettings(settings()),
      }),
      http: guardedHttp(http, engine.breakers),
      storage: createStorage({ programs: recorded }),
      queue: engine.queue,
      backups: backupsBy(recorded),
      migrations: migrationsBy(recorded),
      metrics: metrics.port,
      expiry: expiryBy(recorded),
      copies: backups.copies,
      fitness: {
        ...fitnessBy(recorded),
        settings: () => fitnessSettings(settings()),
        inWindow: (at) => openDatabaseWindow(settings(), at, nextInstant) !== undefined,
        nextWindow: (at) => nextDatabaseWindow(settings(), at, nextInstant),
        done: (source) => databases.done(source),
      },
    };
  };

  const engine = createEngine({
    store,
    // Filled below, with what the systems bring; nobody asks before the start.
    catalog: () => catalog,
    ports: portsOf,
    inventory,
    audit,
    log,
    now,
    node: { ...node, version, labels: settings().node.labels },
    policyRules: () => [...settings().policy, ...DEFAULT_POLICY],
    artifacts: join(home, 'artifacts'),
    retention: () => engineRetention(settings()),
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
    baseUrl: () => settings().server.publicUrl ?? address,
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
    meters: [world.hostMeter, world.ownMeter, { read: () => databases.meter.read() }],
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
    self: { pids: parts.ownPids },
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
    shipped: resolve(import.meta.dirname, 'runbooks'),
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
    publicUrl: () => settings().server.publicUrl ?? address,
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
  const backups = createBackupRecord({
    store,
    backups: backupsBy(programs),
    kit: (copies) => exportKit(backupRepositories(settings(), home), copies, { secrets, home, node: node.name, now }),
    async proposals() {
      const resources = await inventory.find({ node: node.id, state: 'present' });
      const seen = await seeForBackups(resources, parts.environment.dockerHost);
      const { ignore } = settings().backups;
      return proposeSources(resources, seen, backupSources(settings(), reaching.databaseUrl)).filter(
        ({ name }) => !ignore.some((pattern) => matchesGlob(pattern, name)),
      );
    },
    runs: engine.service,
    workflows: engine.workflows,
    incidents,
    exports: createExports(home),
    settings: () => backupSettings(settings()),
    keepMs: keepIncidentsMs,
    node,
    now,
    log,
  });
  const databases = createDatabaseWatch({
    store,
    sources: () => backupSources(settings()),
    fitness: fitnessBy(programs),
    runs: engine.service,
    async serverOf(source) {
      const here = await inventory.find({ node: node.id });
      return here.find((resource) => sourceOfServer(resource, [source]))?.id;
    },
    incidents,
    exports: createExports(home),
    settings: () => databaseSettings(settings()),
    windows: {
      open: (at) => openDatabaseWindow(settings(), at, nextInstant),
      next: (at) => nextDatabaseWindow(settings(), at, nextInstant),
      // What a schedule does anyway is not done twice.
      metBy: ({ from, until }) =>
        heavyTimes(catalog.workflows.values()).some((schedule) => {
          const at = nextInstant(schedule, new Date(from.getTime() - 1));
          return at !== undefined && at < until;
        }),
    },
    keepMs: keepIncidentsMs,
    node,
    now,
    log,
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

  const webhooks = createWebhooks({
    store,
    home,
    settings: () => webhookSettings(settings()),
    onSettings: (listener) => config.subscribe(listener),
    secrets,
    keepMs: () => ms(settings().retention.webhooks),
    node,
    now,
    log,
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
    createMigrationsView({ migrations: migrationsBy(programs) }),
    status,
    statusPage,
    webhooks,
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
    page: () => settings().server.publicUrl ?? address,
    runbooks: runbookPages(catalog, runbooks.runbooks),
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
    page: parts.page,
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
      (app) => mountHooks(app, webhooks.receiver),
      (app) => mountStatusPage(app, { pages: statusPage, identity, audit: record, now }),
    ],
    version,
    now,
    log,
  });

  // Links in alerts need an address, and where none is configured it is known only now.
  let address: string | undefined;
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
      audit,
      kit: async () => kitProblem(await kitState(backupRepositories(settings(), home), { secrets, home })),
      now,
    });
  }

  return { catalog, engine, audit, identity, discovery, rest, systems, notices };
}
