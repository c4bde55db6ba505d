import { describe, expect, it } from 'vitest';
import { type Candidate, pick, unfit } from './placement.ts';

const automation = { name: 'call-http', version: 2, needs: ['host'] } as const;
const node = (name: string, more: Partial<Candidate> = {}): Candidate => ({
  id: `node_${name}`,
  name,
  live: true,
  draining: false,
  labels: {},
  ports: ['host', 'files'],
  automations: { 'call-http': 2 },
  load: 0,
  ...more,
});
const place = (candidates: Candidate[], labels?: Record<string, string>) =>
  pick(automation, { candidates, labels, self: 'node_b' });

describe('a place for a run', () => {
  it('is the node with the least to do, of equals the one that was asked', () => {
    expect(place([node('a', { load: 3 }), node('b', { load: 4 }), node('c', { load: 2 })])).toBe('node_c');
    expect(place([node('a', { load: 3 }), node('b', { load: 3 })])).toBe('node_b');
    expect(place([node('c', { load: 1 }), node('a', { load: 1 })])).toBe('node_a');
  });

  it.each<[string, Partial<Candidate>, string | undefined]>([
    ['silent', { live: false }, 'is not alive'],
    ['draining', { draining: true }, 'is draining'],
    ['of another site', { labels: { site: 'rome' } }, 'has not the label site=paris'],
    ['without the automation', { labels: { site: 'paris' }, automations: {} }, 'does not know call-http'],
    [
      'of an older version',
      { labels: { site: 'paris' }, automations: { 'call-http': 1 } },
      'knows only version 1 of call-http',
    ],
    ['without a port', { labels: { site: 'paris' }, ports: [] }, 'does not have host'],
    ['of a newer version', { labels: { site: 'paris', disk: 'fast' }, automations: { 'call-http': 3 } }, undefined],
  ])('is not one that is %s', (_what, more, reason) => {
    expect(unfit(node('a', more), automation, { labels: { site: 'paris' } })).toBe(reason);
  });

  it('is the one that was named although a port cannot be used there', () => {
    expect(unfit(node('a', { ports: [] }), automation, { named: true })).toBeUndefined();
  });

  it('is none where none fits, and every node is named with its reason', () => {
    expect(() => place([node('a', { draining: true }), node('b', { ports: [] })])).toThrow(
      'No node can run call-http: a is draining; b does not have host.',
    );
    expect(() => place([])).toThrow('No node can run call-http: there is none.');
  });
});
