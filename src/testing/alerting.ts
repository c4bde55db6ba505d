import type { Alert, Channel } from '../core/alert.ts';
import type { Severity } from '../core/incident.ts';
import type { Resource } from '../core/resource.ts';
import { createLedger, type Ledger } from '../systems/incidents/ledger.ts';
import { incidentsMigrations } from '../systems/incidents/tables.ts';
import { type Alerting, type AlertingDeps, createAlerting } from '../systems/alerting/index.ts';
import { ALERTS_CHANNEL } from '../systems/alerting/outbox.ts';
import type { AlertingSettings, Route } from '../systems/alerting/settings.ts';
import { alertingMigrations } from '../systems/alerting/tables.ts';
import { type TestDatabase, testDatabase } from './database.ts';
import { memoryLog } from './log.ts';

/** A channel that does what it is told, and remembers what it was given. */
export function fakeChannel(name: string, minSeverity: Severity = 'info', kind = 'fake') {
  const taken: Alert[] = [];
  const tried: Alert[] = [];
  const state = {
    behave: async (_alert: Alert, _signal: AbortSignal): Promise<void> => undefined,
  };
  const channel: Channel = {
    name,
    kind,
    async deliver(alert, signal) {
      tried.push(alert);
      await state.behave(alert, signal);
      taken.push(alert);
      return { receipt: `${name} took it` };
    },
  };
  return {
    name,
    taken,
    tried,
    route: { channel, minSeverity } satisfies Route,
    titles: () => taken.map(({ kind, title }) => `${kind}: ${title}`),
    set: (behave: typeof state.behave) => void (state.behave = behave),
  };
}

export type AlertingKit = Awaited<ReturnType<typeof alertingKit>>;

/** Alerting with its tables and a clock that can be set, and services to have incidents about. */
export async function alertingKit(resources: readonly Pick<Resource, 'id' | 'name' | 'labels'>[] = []) {
  const database: TestDatabase = await testDatabase({ migrations: [...incidentsMigrations, ...alertingMigrations] });
  const clock = { aheadMs: 0 };
  const now = (): Date => new Date(Date.now() + clock.aheadMs);
  const ledger: Ledger = createLedger({ store: database.store, now });
  const log = memoryLog();
  const running: Alerting[] = [];
  const named = (word: string): Resource | undefined =>
    resources.find(({ id, name }) => id === word || name === word) as Resource | undefined;

  return {
    database,
    ledger,
    clock,
    now,
    log,
    async start(
      routes: readonly { readonly route: Route }[],
      settings: Partial<AlertingSettings> | (() => Partial<AlertingSettings>),
      more: Partial<AlertingDeps> = {},
    ): Promise<Alerting> {
      const alerting = createAlerting({
        store: database.store,
        breakers: { around: (_name, work) => work() },
        incidents: ledger,
        inventory: {
          get: async (id) => named(id),
          resolve: async (word) => named(word),
          dependentsOf: async () => [],
        },
        channels: () => routes.map(({ route }) => route),
        settings: () => ({
          holdMs: 0,
          attempts: 5,
          perHour: 100,
          retentionMs: 86_400_000,
          budget: { perWeek: 15, floor: 0.2, judged: 5 },
          ...(typeof settings === 'function' ? settings() : settings),
        }),
        now,
        log,
        node: 'one',
        publicUrl: () => 'https://steward.example.org/',
        deadlineMs: 400,
        backoffMs: 20,
        pollMs: 100,
        ...more,
      });
      await alerting.start();
      running.push(alerting);
      return alerting;
    },
    async job(alerting: Alerting, wanted: string): Promise<void> {
      const job = alerting.jobs.find(({ name }) => name === wanted);
      if (!job) throw new Error(`There is no job ${wanted}.`);
      await job.run({ now: now(), signal: new AbortController().signal });
    },
    open: (service: string, severity: Severity = 'critical') =>
      ledger.open({
        fingerprint: `down:${service}`,
        resourceId: named(service)?.id,
        title: `${service} is down`,
        symptom: 'service.down',
        severity,
        evidence: {},
      }),
    /** The clock is set forward, and whoever sleeps looks at it. */
    async later(milliseconds: number): Promise<void> {
      clock.aheadMs += milliseconds;
      await database.store.pool.query('select pg_notify($1, $2)', [ALERTS_CHANNEL, '']);
    },
    /** As when Steward ends. */
    async stop(): Promise<void> {
      for (const alerting of running.splice(0)) await alerting.stop();
    },
    async drop(): Promise<void> {
      for (const alerting of running.splice(0)) await alerting.stop();
      await database.drop();
    },
  };
}
