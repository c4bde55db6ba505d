import { describe, expect, it } from 'vitest';
import type { StoredScan } from '../../core/inventory-writer.ts';
import type { ScanItem } from '../../core/scan.ts';
import { netOf } from './scan-diff.ts';
import { around } from './topology-part.ts';

const item = (kind: ScanItem['kind'], changes: ScanItem['changes'] = [], id = 'a'): ScanItem => ({
  kind,
  id,
  resource: 'service',
  name: id,
  changes,
});
const scans = (...each: ScanItem[][]): StoredScan[] =>
  each.map((items) => ({ record: {} as StoredScan['record'], detail: { items, omitted: 0, sources: [] } }));
const version = (before: string, after: string): ScanItem['changes'] => [{ member: 'version', before, after }];
const kinds = (stored: StoredScan[]) => netOf(stored).items.map(({ kind }) => kind);

describe('the difference of two scans', () => {
  it('adds up what happened to each thing', () => {
    expect(netOf(scans([item('changed', version('1', '2'))], [item('changed', version('2', '3'))])).items).toEqual([
      item('changed', version('1', '3')),
    ]);
    expect(kinds(scans([item('found')], [item('changed', version('1', '2'))]))).toEqual(['found']);
    expect(kinds(scans([item('missing')], [item('gone')]))).toEqual(['gone']);
    expect(kinds(scans([item('found'), item('gone', [], 'b')]))).toEqual(['found', 'gone']);
  });

  it('leaves out what is again as it was', () => {
    expect(kinds(scans([item('changed', version('1', '2'))], [item('changed', version('2', '1'))]))).toEqual([]);
    expect(kinds(scans([item('found')], [item('gone')]))).toEqual([]);
    expect(kinds(scans([item('gone')], [item('returned')]))).toEqual([]);
    expect(kinds(scans([item('gone', version('1', '1'))], [item('returned', version('1', '2'))]))).toEqual(['changed']);
  });

  it('says where it cannot be complete', () => {
    const old = { record: {} as StoredScan['record'], detail: undefined };
    expect(netOf([old, ...scans([item('found')])])).toMatchObject({
      items: [{ kind: 'found' }],
      incomplete: 'of 1 scans nothing but counts was kept',
    });
    expect(netOf(scans([item('found')])).incomplete).toBeUndefined();
  });
});

describe('what is around a service', () => {
  const at = new Date();
  const edge = (from: string, to: string, kind: 'connects-to' | 'network' = 'connects-to') => ({
    from,
    to,
    kind,
    evidence: [],
    firstSeen: at,
    lastSeen: at,
  });
  const edges = [
    edge('proxy', 'web'),
    edge('web', 'db'),
    edge('db', 'disk'),
    edge('other', 'db'),
    edge('web', 'near', 'network'),
    edge('disk', 'proxy'),
  ];
  const names = (depth: number, direction: 'needs' | 'needed-by' | 'both', start = 'web') =>
    [...around(start, edges, depth, direction)].toSorted();

  it('goes as far as asked, each way by itself, through cycles, and not over a shared network', () => {
    expect(names(1, 'needs')).toEqual(['db', 'web']);
    expect(names(2, 'needs')).toEqual(['db', 'disk', 'web']);
    expect(names(50, 'needs')).toEqual(['db', 'disk', 'proxy', 'web']);
    expect(names(1, 'needed-by', 'db')).toEqual(['db', 'other', 'web']);
    expect(names(1, 'both')).toEqual(['db', 'proxy', 'web']);
  });
});
