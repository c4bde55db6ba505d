import { describe, expect, it } from 'vitest';
import { reading } from '../../core/metric.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import type { ProbeResult } from '../../core/check.ts';
import type { WatchedHere } from '../../core/monitor.ts';
import { checkReadings } from './check-readings.ts';
import { encodeRaw, encodeRolled, encodeTick, readChunk, readTick, type Summary } from './codec.ts';
import { forecast } from './forecast.ts';
import { KEEP } from './levels.ts';
import { fittingStep, resolve } from './range.ts';
import { createRates } from './rates.ts';
import { createServiceMeter } from './service-meter.ts';

const NOW = new Date('2026-06-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('what is stored', () => {
  it('comes back as it was, and bytes that are something else hold nothing', () => {
    const tick: [number, number][] = [];
    readTick(
      encodeTick([
        [7, 1.5],
        [4_000_000_000, -2],
      ]),
      (series, value) => tick.push([series, value]),
    );
    expect(tick).toEqual([
      [7, 1.5],
      [4_000_000_000, -2],
    ]);

    const slots: [number, Summary][] = [];
    const summary = { count: 5_760, min: -1, max: 8, sum: 12.5, last: 3 };
    readChunk('rolled', encodeRolled([[71, summary]]), (slot, found) => slots.push([slot, found]));
    readChunk('raw', encodeRaw([[3_599, 0.25]]), (slot, found) => slots.push([slot, found]));
    expect(slots).toEqual([
      [71, summary],
      [3_599, { count: 1, min: 0.25, max: 0.25, sum: 0.25, last: 0.25 }],
    ]);

    readChunk('rolled', Buffer.from('x'), () => expect.unreachable());
    readTick(Buffer.from('xyz'), () => expect.unreachable());
  });
});

describe('rates', () => {
  it('are what a counter grew by a second; a counter that began anew says nothing until the next', () => {
    const rates = createRates();
    const at = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1_000);
    const counter = (value: number) => [reading('steward_host_disk_read_bytes_total', value, { device: 'vda' })];

    expect(rates(counter(1_000), at(0))).toEqual([]);
    expect(rates(counter(4_000), at(15))).toEqual(counter(200));
    expect(rates(counter(30), at(30))).toEqual([]);
    expect(rates(counter(60), at(45))).toEqual(counter(2));
    // The clock stood still, or was set back.
    expect(rates(counter(90), at(45))).toEqual([]);
    expect(rates([reading('steward_host_load1', 3)], at(60))).toEqual([reading('steward_host_load1', 3)]);
  });
});

describe('what was seen before', () => {
  it('is kept once, however often it is read; a counter by the time between its own looks', () => {
    const rates = createRates();
    const at = (seconds: number): Date => new Date(NOW.getTime() + seconds * 1_000);
    const check = { ...reading('steward_check_up', 1, { id: 'c' }), at: at(-10) };
    const looked = (value: number, seconds: number) => [
      { ...reading('steward_service_restarts_total', value, { id: 's' }), at: at(seconds) },
    ];

    expect(rates([check, ...looked(10, -10)], at(0))).toEqual([check]);
    expect(rates([check, ...looked(10, -10)], at(15))).toEqual([]);
    expect(rates([{ ...check, at: at(20) }, ...looked(130, 50)], at(60))).toEqual([
      { ...check, at: at(20) },
      ...looked(2, 50),
    ]);
    // What was not read in between is new again.
    expect(rates([], at(75))).toEqual([]);
    expect(rates([{ ...check, at: at(20) }], at(90))).toHaveLength(1);
  });
});

describe('checks', () => {
  it('of a server of models tell how many it has, and how long it took', () => {
    const last = { state: 'up', latencyMs: 950, message: '2 models', depth: 'query' } as const;
    const watched = (detail: ProbeResult['detail']): WatchedHere => ({
      resource: { id: 'svc_1', name: 'ollama' },
      status: {
        resourceId: 'svc_1',
        state: 'up',
        since: NOW,
        consecutiveFailures: 0,
        checks: [
          { id: 'chk_1', kind: 'models', state: 'up', at: NOW, consecutiveFailures: 0, last: { ...last, detail } },
        ],
      },
    });
    const told = (detail: ProbeResult['detail']) =>
      checkReadings([watched(detail)]).map(({ name, labels, value }) => [name, labels['what'] ?? '', value]);
    const always = [
      ['steward_check_up', '', 1],
      ['steward_check_latency_seconds', '', 0.95],
    ];
    expect(told({ count: 2, listMs: 40, slowestMs: 900 })).toEqual([
      ...always,
      ['steward_model_server_models', '', 2],
      ['steward_model_server_answer_seconds', 'list', 0.04],
      ['steward_model_server_answer_seconds', 'model', 0.9],
    ]);
    expect(told({ code: 'ECONNREFUSED' })).toEqual(always);
  });
});

describe('services', () => {
  it('are told by name and id, with what each takes; the inventory is asked once a minute', async () => {
    const inventory = fakeInventory();
    for (const id of ['svc_1', 'svc_2', 'svc_3']) inventory.put(aResource({ id, name: 'web', node: 'nod_1' }));
    inventory.put(aResource({ id: 'nod_1', kind: 'node', name: 'n1', node: 'nod_1' }));
    inventory.put(aResource({ id: 'svc_4', name: 'not-ours', node: 'nod_1', adoption: 'ignored' }));
    let at = NOW.getTime();
    const asked: string[][] = [];
    const meter = createServiceMeter({
      inventory,
      usage: {
        async of(services) {
          asked.push(services.map(({ id }) => id));
          return new Map([
            ['svc_1', { cpuSeconds: 5, memoryBytes: 1_000, restarts: 0 }],
            ['svc_2', { cpuSeconds: 7, memoryBytes: 2_000, restarts: 3 }],
          ]);
        },
      },
      node: 'nod_1',
      now: () => new Date(at),
    });
    const labels = { service: 'web', id: 'svc_2' };
    expect((await meter.read()).filter(({ resourceId }) => resourceId === 'svc_2')).toEqual([
      { name: 'steward_service_cpu_seconds_total', value: 7, labels, resourceId: 'svc_2' },
      { name: 'steward_service_memory_bytes', value: 2_000, labels, resourceId: 'svc_2' },
      { name: 'steward_service_restarts_total', value: 3, labels, resourceId: 'svc_2' },
    ]);
    inventory.put(aResource({ id: 'svc_5', name: 'new', node: 'nod_1' }));
    at += 30_000;
    await meter.read();
    at += 31_000;
    await meter.read();
    expect(asked.map((ids) => ids.toSorted())).toEqual([
      ['svc_1', 'svc_2', 'svc_3'],
      ['svc_1', 'svc_2', 'svc_3'],
      ['svc_1', 'svc_2', 'svc_3', 'svc_5'],
    ]);
  });
});

describe('a range', () => {
  const ask = (agoMs: number, stepMs: number) => {
    const { level, stepMs: step } = resolve({ from: new Date(NOW.getTime() - agoMs), stepMs }, KEEP, NOW);
    return [level.name, step / 1_000];
  };

  it('is read from the coarsest values that are fine enough', () => {
    expect(ask(HOUR_MS, 15_000)).toEqual(['raw', 15]);
    expect(ask(DAY_MS, 300_000)).toEqual(['5m', 300]);
    expect(ask(7 * DAY_MS, HOUR_MS)).toEqual(['1h', 3_600]);
    expect(ask(30 * DAY_MS, 2 * DAY_MS)).toEqual(['1d', 172_800]);
  });

  it('is coarser than asked for where finer values are not kept any more, and steps hold whole slots', () => {
    expect(ask(8 * DAY_MS, 15_000)).toEqual(['5m', 300]);
    expect(ask(31 * DAY_MS, 15_000)).toEqual(['1h', 3_600]);
    expect(ask(91 * DAY_MS, 15_000)).toEqual(['1d', 86_400]);
    expect(ask(5_000 * DAY_MS, 15_000)).toEqual(['1d', 86_400]);
    expect(ask(DAY_MS, 400_000)).toEqual(['5m', 600]);
    expect(ask(HOUR_MS, 1_000)).toEqual(['raw', 15]);
  });

  it('has some three hundred points where nobody says how many', () => {
    expect(fittingStep(HOUR_MS)).toBe(15_000);
    expect(fittingStep(DAY_MS)).toBe(300_000);
    expect(fittingStep(730 * DAY_MS)).toBe(604_800_000);
  });
});

describe('the forecast of a disk', () => {
  const hours = (count: number, free: (hour: number) => number) =>
    Array.from({ length: count }, (_, hour) => ({
      at: new Date(NOW.getTime() - (count - 1 - hour) * HOUR_MS),
      value: free(hour),
    }));

  it('says so while a day is not known yet', () => {
    expect(
      forecast(
        hours(10, () => 5),
        NOW,
      ),
    ).toEqual({
      state: 'not-enough-history',
      why: 'Not enough history yet: 9h of it are known, and a day is needed.',
    });
    expect(forecast([], NOW).state).toBe('not-enough-history');
  });

  it('follows the trend, and not the backup that comes and goes each night', () => {
    const nightly = (hour: number): number => (hour % 24 < 3 ? 400 : 0);
    const found = forecast(
      hours(7 * 24, (hour) => 1_240 - hour - nightly(hour)),
      NOW,
    );

    // Of what is left now, 1240 - 167, one goes each hour.
    expect(found.state).toBe('filling');
    expect(found.state === 'filling' && (found.fullAt.getTime() - NOW.getTime()) / DAY_MS).toBeCloseTo(1_073 / 24, 0);
    expect(found.state === 'filling' && found.earliest <= found.fullAt).toBe(true);
  });

  it('is steady where nothing is used up within a year, also after somebody made room', () => {
    expect(
      forecast(
        hours(48, () => 500),
        NOW,
      ).state,
    ).toBe('steady');
    expect(
      forecast(
        hours(100, (hour) => 1_000 + hour),
        NOW,
      ).state,
    ).toBe('steady');
    expect(
      forecast(
        hours(100, (hour) => 100_000 - hour),
        NOW,
      ).state,
    ).toBe('steady');
  });
});
