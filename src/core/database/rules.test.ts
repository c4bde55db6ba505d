import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatabaseLook } from './look.ts';
import { type Asked, type FitnessRules, tasksFor } from './rules.ts';

const NOW = new Date('2026-03-31T02:00:00Z');
const DAY = 86_400_000;
const MB = 1024 ** 2;
const rules: FitnessRules = {
  vacuumMs: 7 * DAY,
  reindexMs: 30 * DAY,
  deadShare: 0.1,
  changedShare: 0.1,
  reclaimableShare: 0.2,
  fragmentation: 1.4,
};
const ago = (days: number): string => new Date(NOW.getTime() - days * DAY).toISOString();
const asked = (more: Partial<Asked> = {}): Asked => ({
  now: NOW,
  light: true,
  heavy: 'now',
  inWindow: true,
  nextWindow: new Date('2026-04-05T00:00:00Z'),
  proven: true,
  done: [],
  restMs: 0,
  ...more,
});

type Given = Partial<Record<'tables' | 'indexes' | 'databases', readonly object[]>> & {
  kind?: DatabaseLook['kind'];
  fragmentation?: number;
  used?: number;
};
function look({
  kind = 'postgres',
  tables = [],
  indexes = [],
  databases = [],
  fragmentation,
  used = 0,
}: Given): DatabaseLook {
  return DatabaseLook.parse({
    source: 'crm',
    kind,
    version: '15.1',
    at: NOW.toISOString(),
    databases: databases.map((one) => ({ name: 'shop', bytes: 100 * MB, ...one })),
    tables: tables.map((one) => ({ database: 'shop', name: 'public.orders', bytes: 10 * MB, rows: 10_000, ...one })),
    indexes: indexes.map((one) => ({
      database: 'shop',
      table: 'public.orders',
      name: 'public.orders_pkey',
      bytes: 10 * MB,
      valid: true,
      unique: true,
      ...one,
    })),
    slow: [],
    blind: [],
    ...(fragmentation !== undefined && {
      fragmentation,
      memory: { usedBytes: used, residentBytes: Math.round(used * fragmentation), keys: 1, evictedKeys: 0 },
    }),
  });
}
const fresh = { deadRows: 0, changedRows: 0, vacuumedAt: ago(1), analyzedAt: ago(1) };
const due = (given: Given, more: Partial<Asked> = {}): string[] =>
  tasksFor(look(given), rules, asked(more)).due.map(({ kind }) => kind);
const why = (given: Given, more: Partial<Asked> = {}): string[] =>
  tasksFor(look(given), rules, asked(more)).skipped.map((one) => `${one.kind}: ${one.why}`);

describe('what a database needs', () => {
  it('is a vacuum where many rows are dead, however young the last one is', () => {
    expect(due({ tables: [{ ...fresh, deadRows: 2_000 }] })).toEqual(['vacuum']);
    expect(due({ tables: [{ ...fresh, deadRows: 900 }] })).toEqual([]);
    expect(due({ tables: [{ ...fresh, rows: 1_000_000, deadRows: 2_000 }] })).toEqual([]);
  });

  it('is a vacuum after a week in which it was written to, and none where nothing was', () => {
    expect(due({ tables: [{ ...fresh, vacuumedAt: ago(8), deadRows: 5 }] })).toEqual(['vacuum']);
    expect(why({ tables: [{ ...fresh, vacuumedAt: ago(400) }] })[0]).toBe(
      'vacuum: nothing was written since it was vacuumed',
    );
    expect(due({ tables: [{ ...fresh, vacuumedAt: null, changedRows: 5 }] })).toEqual(['vacuum']);
  });

  it('is new statistics where a tenth of the rows was written, or where there are none', () => {
    expect(due({ tables: [{ ...fresh, changedRows: 1_000 }] })).toEqual(['analyze']);
    expect(due({ tables: [{ ...fresh, analyzedAt: null }] })).toEqual(['analyze']);
    expect(due({ tables: [{ ...fresh, changedRows: 999, rows: 100_000 }] })).toEqual([]);
  });

  it('is a new index only for measured bloat, and for the same index once in 30 days', () => {
    const bloated = { reclaimableBytes: 5 * MB, measured: true };
    expect(due({ indexes: [bloated] })).toEqual(['reindex']);
    expect(due({ indexes: [{ ...bloated, measured: false }] })).toEqual([]);
    expect(due({ indexes: [{ ...bloated, reclaimableBytes: 2 * MB }] })).toEqual([]);
    expect(due({ indexes: [bloated] }, { heavy: 'window', inWindow: false })).toEqual([]);
    const done = { kind: 'reindex' as const, database: 'shop', object: 'public.orders_pkey', at: new Date(ago(29)) };
    expect(why({ indexes: [bloated] }, { done: [done] })).toEqual(['reindex: it was built anew 29d ago already']);
    expect(due({ indexes: [bloated] }, { done: [{ ...done, at: new Date(ago(31)) }] })).toEqual(['reindex']);
  });

  it('is the removal of what a rebuild left behind, and never of an index that somebody wanted', () => {
    expect(due({ indexes: [{ name: 'public.orders_pkey_ccnew1', valid: false }] })).toEqual(['drop-invalid-index']);
    expect(due({ indexes: [{ name: 'public.orders_by_day', valid: false }] })).toEqual([]);
  });

  it('is a rebuild above 20 % in a window, with a proven copy, and never of a table of PostgreSQL', () => {
    const bloated = { ...fresh, deadRows: undefined, reclaimableBytes: 5 * MB, measured: true };
    expect(due({ kind: 'mysql', tables: [bloated] })).toEqual(['rebuild']);
    expect(why({ kind: 'mysql', tables: [bloated] }, { inWindow: false })).toContain(
      'rebuild: 50 % would come back, but it locks: it waits for the window of 2026-04-05 00:00 UTC',
    );
    expect(why({ kind: 'mysql', tables: [bloated] }, { inWindow: false, nextWindow: undefined }).join()).toContain(
      'databases.windows has none',
    );
    expect(due({ kind: 'mysql', tables: [bloated] }, { proven: false })).toEqual([]);
    expect(due({ kind: 'mysql', tables: [{ ...bloated, reclaimableBytes: 2 * MB }] })).toEqual([]);
    expect(why({ tables: [bloated] }).join()).toContain('only VACUUM FULL gives it');
    expect(due({ kind: 'sqlite', databases: [{ reclaimableBytes: 50 * MB, measured: true }] })).toEqual([
      'analyze',
      'rebuild',
    ]);
  });

  it('is memory given back where much of it is held and not used', () => {
    expect(due({ kind: 'redis', databases: [{}], used: 400 * MB, fragmentation: 1.6 })).toEqual(['defragment']);
    expect(due({ kind: 'redis', databases: [{}], used: 40 * MB, fragmentation: 1.6 })).toEqual([]);
    expect(due({ kind: 'redis', databases: [{}], used: 400 * MB, fragmentation: 1.1 })).toEqual([]);
  });

  it('is not what another schedule did today', () => {
    const done = [{ kind: 'vacuum' as const, database: 'shop', object: 'public.orders', at: new Date(ago(0.1)) }];
    expect(due({ tables: [{ ...fresh, deadRows: 5_000 }] }, { done, restMs: DAY })).toEqual([]);
    expect(due({ tables: [{ ...fresh, deadRows: 5_000 }] }, { done })).toEqual(['vacuum']);
  });

  it('is of the databases that were asked for', () => {
    expect(due({ tables: [{ ...fresh, deadRows: 5_000 }] }, { databases: ['other'] })).toEqual([]);
  });
});

const table = fc.record({
  bytes: fc.nat(1e9),
  rows: fc.nat(1e7),
  deadRows: fc.option(fc.nat(1e7), { nil: undefined }),
  changedRows: fc.option(fc.nat(1e7), { nil: undefined }),
  reclaimableBytes: fc.option(fc.nat(1e9), { nil: undefined }),
  measured: fc.boolean(),
  vacuumedAt: fc.option(fc.integer({ min: -10, max: 500 }).map(ago), { nil: null }),
  analyzedAt: fc.option(fc.integer({ min: -10, max: 500 }).map(ago), { nil: null }),
});
const index = fc.record({
  name: fc.constantFrom('public.a', 'public.a_ccnew', 'public.a_ccold2', 'public.new_ccnewer'),
  bytes: fc.nat(1e9),
  valid: fc.boolean(),
  reclaimableBytes: fc.option(fc.nat(1e9), { nil: undefined }),
  measured: fc.boolean(),
});
const anyLook = fc
  .record({
    kind: fc.constantFrom('postgres' as const, 'mysql' as const, 'sqlite' as const, 'redis' as const),
    tables: fc.array(table, { maxLength: 5 }),
    indexes: fc.array(index, { maxLength: 5 }),
    databases: fc.array(fc.record({ bytes: fc.nat(1e9), reclaimableBytes: fc.nat(1e9), measured: fc.boolean() }), {
      minLength: 1,
      maxLength: 1,
    }),
    fragmentation: fc.double({ min: 0, max: 50, noNaN: true }),
  })
  .map(look);
const anyAsked = fc
  .record({
    light: fc.boolean(),
    heavy: fc.constantFrom('now' as const, 'window' as const, 'never' as const),
    inWindow: fc.boolean(),
    proven: fc.boolean(),
    restMs: fc.nat(2 * DAY),
  })
  .map(asked);

describe('whatever a look says', () => {
  it('nothing that locks happens outside a window, on estimates or without a proven copy', () => {
    fc.assert(
      fc.property(anyLook, anyAsked, (seen, wish) => {
        const { due: tasks } = tasksFor(seen, rules, wish);
        for (const { kind, object } of tasks) {
          if (kind === 'rebuild') {
            const held = [...seen.tables, ...seen.databases].some(
              ({ measured, reclaimableBytes = 0, bytes }) => measured && reclaimableBytes > bytes * 0.2,
            );
            expect([seen.kind === 'postgres', wish.inWindow, wish.proven, wish.heavy === 'never', held]).toEqual([
              false,
              true,
              true,
              false,
              true,
            ]);
          }
          if (kind === 'reindex')
            expect(seen.indexes.some(({ name, measured, valid }) => name === object && measured && valid)).toBe(true);
          if (kind === 'drop-invalid-index') {
            expect(object).toMatch(/_cc(new|old)\d*$/);
            expect(seen.indexes.some(({ name, valid }) => name === object && !valid)).toBe(true);
          }
        }
      }),
    );
  });

  it('each thing is either due with its reason or skipped with one, and no task is there twice for one table', () => {
    fc.assert(
      fc.property(anyLook, anyAsked, (seen, wish) => {
        const { due: tasks, skipped } = tasksFor(seen, rules, wish);
        expect(tasks.every(({ reason }) => reason.length > 0)).toBe(true);
        expect(skipped.every((one) => one.why.length > 0)).toBe(true);
        const all = [...tasks, ...skipped].filter(({ kind }) => kind === 'vacuum').length;
        const counted = seen.tables.filter(({ deadRows }) => deadRows !== undefined).length;
        expect(all).toBe(wish.light ? counted : 0);
      }),
    );
  });

  it('what was asked not to happen does not', () => {
    fc.assert(
      fc.property(anyLook, anyAsked, (seen, wish) => {
        const kinds = tasksFor(seen, rules, { ...wish, light: false, heavy: 'never' }).due;
        expect(kinds).toEqual([]);
      }),
    );
  });
});
