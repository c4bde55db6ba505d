import { describe, expect, it } from 'vitest';
import { DatabaseLook } from '../../core/database/look.ts';
import type { DatabaseSettings } from './deps.ts';
import { judge } from './judge.ts';

const NOW = new Date('2026-03-31T12:00:00Z');
const settings: DatabaseSettings = {
  everyMs: 300_000,
  slowMs: 1_000,
  connections: 0.8,
  wraparound: 0.4,
  longTransactionMs: 3_600_000,
  lagMs: 300_000,
  growth: 4,
  unusedMs: 30 * 86_400_000,
};
const look = (more: object = {}): DatabaseLook =>
  DatabaseLook.parse({
    source: 'crm',
    kind: 'postgres',
    version: '15',
    at: NOW.toISOString(),
    databases: [],
    tables: [],
    indexes: [],
    slow: [],
    blind: [],
    ...more,
  });
const wrong = (more: object, { before = undefined as DatabaseLook | undefined, critical = false } = {}) =>
  judge(look(more), { before, history: [], critical, settings, node: 'n1', now: NOW })
    .filter((one) => one.wrong)
    .map(({ symptom, severity }) => `${symptom} ${severity}`);

describe('what is wrong with a database', () => {
  it('is nothing where all is well', () => {
    expect(wrong({ connections: { used: 79, limit: 100 }, wraparound: 0.39 })).toEqual([]);
  });

  it('is 80 % of the connections, and worse when they are all but gone', () => {
    expect(wrong({ connections: { used: 80, limit: 100 } })).toEqual(['database.connections warning']);
    expect(wrong({ connections: { used: 95, limit: 100 } })).toEqual(['database.connections critical']);
    expect(wrong({ connections: { used: 80, limit: 100 } }, { critical: true })).toEqual([
      'database.connections critical',
    ]);
  });

  it('is 40 % of the transaction ids, critical from 75 on', () => {
    expect(wrong({ wraparound: 0.4 })).toEqual(['database.wraparound warning']);
    expect(wrong({ wraparound: 0.75 })).toEqual(['database.wraparound critical']);
  });

  it('is a transaction of hours, a replica that is behind, a slot that holds back the log', () => {
    expect(wrong({ longestTransactionSeconds: 3_601 })).toEqual(['database.long-transaction warning']);
    expect(wrong({ replicas: [{ name: 'b', lagSeconds: 301, lagBytes: 0 }] })).toEqual([
      'database.replica-lag warning',
    ]);
    expect(wrong({ replicas: [{ name: 'slot old', lagSeconds: null, lagBytes: 2e10 }] })).toEqual([
      'database.replica-lag warning',
    ]);
    expect(wrong({ replicas: [{ name: 'b', lagSeconds: 1, lagBytes: 100 }] })).toEqual([]);
  });

  it('is an invalid index only when it stays: one that is being built is invalid for a while', () => {
    const index = { database: 'shop', table: 'public.t', name: 'public.i', bytes: 1, valid: false, unique: false };
    expect(wrong({ indexes: [index] })).toEqual([]);
    expect(wrong({ indexes: [index] }, { before: look({ indexes: [index] }) })).toEqual([
      'database.invalid-index warning',
    ]);
  });

  it('is a connection that was refused since the look before, also after a restart', () => {
    const of = (refused: number) => ({ connections: { used: 1, limit: 100, refused } });
    expect(wrong(of(3))).toEqual([]);
    expect(wrong(of(3), { before: look(of(3)) })).toEqual([]);
    expect(wrong(of(4), { before: look(of(3)) })).toEqual(['database.refused warning']);
    expect(wrong(of(0), { before: look(of(3)) })).toEqual([]);
  });

  it('is what the engine itself warns of', () => {
    expect(wrong({ warnings: [{ what: 'keys are evicted', hint: 'more memory' }] })).toEqual([
      'database.warning warning',
    ]);
  });
});
