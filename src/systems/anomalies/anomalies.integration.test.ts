import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import type { ChangeEntry } from '../../core/change-log.ts';
import type { Incident } from '../../core/incident.ts';
import { type Reading, reading } from '../../core/metric.ts';
import type { WatchedHere } from '../../core/monitor.ts';
import type { System } from '../../core/system.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { memoryLog } from '../../testing/log.ts';
import { createChanges } from '../changes/index.ts';
import { incidentsMigrations } from '../incidents/index.ts';
import { createLedger } from '../incidents/ledger.ts';
import { createMetrics, metricMigrations, type Metrics } from '../metrics/index.ts';
import { KEEP } from '../metrics/levels.ts';
import { createAnomalies } from './index.ts';

const SLOT_MS = 300_000;
const HOUR_MS = 3_600_000;
const START = Date.parse('2026-03-02T00:00:00Z');
const node = { id: 'nod_1', name: 'alpha' };
const shop = aResource({ id: 'svc_shop00001', name: 'shop', node: node.id });

/** A day's rhythm with some noise, the same at each instant. */
const usually = (at: number): number =>
  0.2 + 0.1 * Math.sin((at / HOUR_MS / 24) * 2 * Math.PI) + 0.01 * Math.sin((at / SLOT_MS) * 2.3);

describe('what is measured, packed and brought together', () => {
  let database: TestDatabase;
  let metrics: Metrics;
  let anomalies: System;
  let clock = START;
  let latency: (at: number) => number | undefined = usually;
  let memory: (at: number) => number | undefined = () => 8e9 + 1e8 * Math.sin(clock / HOUR_MS);
  let isWorkedOn = false;
  let isUp = true;
  const now = (): Date => new Date(clock);

  beforeAll(async () => {
    database = await testDatabase({ migrations: [...metricMigrations, ...incidentsMigrations] });
    metrics = createMetrics({
      store: database.store,
      inventory: fakeInventory([shop]),
      usage: { of: async () => new Map() },
      meters: [
        {
          async read(): Promise<Reading[]> {
            const free = memory(clock);
            return [
              reading('steward_host_load1', 1),
              reading('steward_host_memory_bytes', 16e9),
              ...(free === undefined ? [] : [reading('steward_host_memory_available_bytes', free)]),
            ];
          },
        },
      ],
      watched: () => watched(),
      settings: () => ({ enabled: true, series: 100, keep: KEEP }),
      node,
      nodeName: async (id) => id,
      nodeId: async (name) => name,
      textfile: {
        settings: () => undefined,
        write: async () => undefined,
        inventory: { find: async () => [] },
        monitor: { report: async () => ({ score: 100 }), uptimes: async () => new Map() },
        node,
      },
      now,
      log: memoryLog(),
    });
    anomalies = createAnomalies({
      store: database.store,
      metrics: metrics.port,
      incidents: createLedger({ store: database.store, now }),
      inventory: fakeInventory([shop]),
      maintenance: { activeFor: async () => (isWorkedOn ? ({} as never) : undefined) },
      watched: () => watched(),
      enabled: () => true,
      node,
      now,
    });
  }, 60_000);
  afterAll(() => database?.drop());

  function watched(): WatchedHere[] {
    const seconds = latency(clock);
    if (seconds === undefined && !isUp) return [];
    const check = { id: 'chk_1', kind: 'http', state: 'up' as const, consecutiveFailures: 0 };
    const last = {
      state: 'up' as const,
      latencyMs: (seconds ?? 0) * 1_000,
      message: '200',
      depth: 'query' as const,
      detail: {},
    };
    return [
      {
        resource: shop,
        status: {
          resourceId: shop.id,
          state: 'up',
          since: new Date(START),
          consecutiveFailures: 0,
          checks: [seconds === undefined ? check : { ...check, at: new Date(clock), last }],
        },
      },
    ];
  }

  const signal = new AbortController().signal;
  const look = async (): Promise<void> =>
    await defined(anomalies.jobs.find(({ name }) => name === 'anomaly-watch')).run({ now: now(), signal });

  /** So much time goes by, with a sample every five minutes, and what jobs do with them. */
  async function live(ms: number, { looking = false } = {}): Promise<void> {
    for (const end = clock + ms; clock < end; clock += SLOT_MS) {
      await metrics.sampleNow();
      if (clock % (6 * HOUR_MS) === 0) await defined(metrics.jobs[0]).run({ now: now(), signal });
      if (looking && clock % (2 * SLOT_MS) === 0) await look();
    }
  }

  const incidents = async (): Promise<Incident[]> => await createLedger({ store: database.store, now }).unresolved();
  async function ask<T>(system: System, input: object): Promise<T[]> {
    const [operation] = system.operations;
    const call = { actor: systemActor('test'), now: new Date(), from: 'local', requestId: 'r' };
    const answer = await defined(operation).handle(defined(operation).input.parse(input), call);
    return (answer as { items: T[] }).items;
  }

  it('is not judged before anything, or a whole week, is known', async () => {
    await look();
    expect(await ask(anomalies, { all: true })).toEqual([]);
    await live(3 * 24 * HOUR_MS);
    const items = await ask<{ metric: string; message: string }>(anomalies, { all: true });
    expect(items.map(({ metric, message }) => `${metric}: ${message}`)).toEqual([
      'memory: Not enough history yet: a whole week has to be known.',
      'response-time: Not enough history yet: a whole week has to be known.',
    ]);
    await look();
    expect(await incidents()).toEqual([]);
  }, 120_000);

  it('opens one incident for what is not as usual, which is in what changed, ends by itself, and is opened again', async () => {
    await live(6 * 24 * HOUR_MS);
    await live(2 * HOUR_MS, { looking: true });
    expect(await incidents()).toEqual([]);

    latency = (at) => 4 * usually(at);
    await live(HOUR_MS, { looking: true });
    const open = await incidents();
    expect(open).toMatchObject([
      { symptom: 'metrics.unusual', severity: 'warning', resourceId: shop.id, status: 'open', occurrences: 1 },
    ]);
    expect(open[0]?.title).toMatch(/^response-time of shop \(http\) is far above what is usual: [\d.]+ seconds, and/);
    const changes = createChanges({
      store: database.store,
      inventory: fakeInventory([shop]),
      packages: async () => [],
      node,
    });
    expect(await ask<ChangeEntry>(changes, { service: 'shop' })).toMatchObject([
      { kind: 'metric', title: open[0]?.title, resourceId: shop.id },
    ]);

    latency = usually;
    await live(70 * 60_000, { looking: true });
    expect(await incidents()).toEqual([]);

    latency = (at) => 4 * usually(at);
    await live(HOUR_MS, { looking: true });
    expect(await incidents()).toMatchObject([{ id: open[0]?.id, occurrences: 2 }]);
    latency = usually;
    await live(3 * HOUR_MS, { looking: true });
    expect(await incidents()).toEqual([]);
  }, 120_000);

  it('tells of what falls silent, but not of what was stopped or is worked on', async () => {
    isUp = false;
    latency = () => undefined;
    await live(HOUR_MS, { looking: true });
    expect(await incidents()).toEqual([]);

    isUp = true;
    latency = usually;
    memory = () => undefined;
    isWorkedOn = true;
    await live(HOUR_MS, { looking: true });
    expect(await incidents()).toEqual([]);

    isWorkedOn = false;
    await live(SLOT_MS * 2, { looking: true });
    expect(await incidents()).toMatchObject([
      { symptom: 'metrics.silent', title: 'memory of alpha is not measured any more', severity: 'warning' },
    ]);
    expect(await ask(anomalies, {})).toMatchObject([{ metric: 'memory', state: 'unusual', kind: 'stopped' }]);
  }, 120_000);
});
