import { describe, expect, it } from 'vitest';
import { namesOf, pathOf, scaleOf, valueOf } from './scale.ts';

const at = (minute: number): string => new Date(Date.UTC(2026, 2, 1, 0, minute)).toISOString();
const point = (minute: number, avg: number) => ({ at: at(minute), avg, min: avg, max: avg });

describe('a chart', () => {
  it('goes from nothing to a bit above the most, over all of the time that was asked for', () => {
    const scale = scaleOf([[point(0, 10), point(5, 20)]], { from: at(0), to: at(10), width: 100, height: 42 });
    expect([scale.top, scale.x(at(5)), scale.y(0), scale.y(21)]).toEqual([21, 50, 42, 0]);
    expect(scaleOf([[]], { from: at(0), to: at(0), width: 1, height: 1 }).top).toBe(1);
  });

  it('breaks its line where nothing was measured', () => {
    const scale = scaleOf([[point(0, 1)]], { from: at(0), to: at(10), width: 10, height: 105 });
    expect(pathOf([point(0, 1), point(1, 1), point(8, 1)], 60_000, scale)).toBe('M0.0 5.0h0L1.0 5.0M8.0 5.0h0');
  });

  it('names its lines by what tells them apart', () => {
    const labelled = (...all: Record<string, string>[]) => all.map((labels) => ({ labels }));
    expect(namesOf(labelled({ mode: 'user', node: 'a' }, { mode: 'nice', node: 'a' }))).toEqual(['user', 'nice']);
    expect(namesOf(labelled({ id: '1', check: 'http' }, { id: '2', check: 'tcp' }))).toEqual(['http', 'tcp']);
    expect(namesOf(labelled({ id: '1', check: 'http' }, { id: '2', check: 'http' }))).toEqual(['1', '2']);
    expect(namesOf(labelled({ mode: 'user' }))).toEqual(['']);
  });

  it.each([
    [2_048, 'bytes', 'gauge', '2.0 KiB'],
    [2_048, 'bytes', 'counter', '2.0 KiB/s'],
    [0.5, 'seconds', 'counter', '50 %'],
    [0.012, 'seconds', 'gauge', '12 ms'],
    [41.6, 'celsius', 'gauge', '42 °C'],
    [1.256, 'count', 'gauge', '1.26'],
  ] as const)('says %d %s of a %s as %s', (value, unit, type, said) => expect(valueOf(value, unit, type)).toBe(said));
});
