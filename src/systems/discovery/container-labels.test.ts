import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkAt, checksFromLabels } from '../../core/check-address.ts';
import { LABEL_PROBLEMS } from '../../core/group.ts';
import { type LabelledContainer, readLabels } from './container-labels.ts';

const trust = { trusted: false, groups: new Set(['databases']) };

function container(
  labels: Record<string, string>,
  more: Partial<LabelledContainer['container']> = {},
): LabelledContainer {
  return {
    container: {
      name: 'shop',
      labels,
      state: 'running',
      networks: [{ name: 'bridge', address: '172.17.0.2' }],
      ports: [{ container: 8080, host: 18_080, protocol: 'tcp' }],
      ...more,
    },
    reachable: [{ address: '0.0.0.0', port: 18_080 }],
  };
}
const problems = (labels: Record<string, string>, given = trust) =>
  readLabels(container(labels), given).labels[LABEL_PROBLEMS]?.split('\n') ?? [];

describe('the labels of a container', () => {
  it('give it a name, checks of itself as they can be called from here, groups and what it needs', () => {
    expect(
      readLabels(
        container({
          'com.docker.compose.project': 'x',
          'steward.name': 'Shop',
          'steward.critical': 'true',
          'steward.every': '30s',
          'steward.group': 'databases',
          'steward.depends-on': 'shop-db, cache',
          'steward.check.web': 'http://localhost:8080/health?deep=1',
          'steward.check.mapped': 'tcp://localhost:18080',
          'steward.check.inner': 'redis://shop:6379',
          'steward.check.db': 'postgres://app@172.17.0.2/shop',
        }),
        trust,
      ),
    ).toEqual({
      name: 'Shop',
      critical: true,
      labels: {
        'steward.every': '30s',
        'steward.group': 'databases',
        'steward.depends-on': 'shop-db,cache',
        'steward.check.web': 'http://127.0.0.1:18080/health?deep=1',
        'steward.check.mapped': 'tcp://127.0.0.1:18080',
        'steward.check.inner': 'redis://172.17.0.2:6379',
        'steward.check.db': 'postgres://app@172.17.0.2:5432/shop',
      },
    });
  });

  it.each([
    ['steward.check.web', 'http://169.254.169.254/latest', /expected the container itself, as in tcp/],
    ['steward.check.web', 'tcp://db.internal:5432', /discovery\.trustLabels: true/],
    ['steward.check.web', 'gopher://localhost:1', /expected an address such as/],
    ['steward.check.web', 'tcp://localhost', /expected an address such as/],
    ['steward.check.db', 'postgres://app:hunter2@localhost:5432', /without a password/],
    ['steward.check.', 'tcp://localhost:1', /expected a name of letters/],
    ['steward.critical', 'yes', /expected true or false/],
    ['steward.every', '10ms', /expected a duration/],
    ['steward.name', '<script>', /expected a name of letters/],
    ['steward.group', 'nobody', /expected names of groups of steward.yaml/],
    ['steward.depends-on', ' , ', /expected names of services/],
    ['steward.chek.web', 'x', /Steward knows no such label/],
  ])('are refused one by one: %s=%s', (label, value, expected) => {
    const [problem, ...more] = problems({ [label]: value, 'steward.name': label === 'steward.name' ? value : 'Shop' });
    expect(more).toEqual([]);
    expect(problem).toMatch(expected);
    expect(problem).toContain(`${label} of container shop: `);
    expect(problem).not.toContain('hunter2');
  });

  it('may name other hosts where the configuration trusts them', () => {
    const read = readLabels(container({ 'steward.check.db': 'tcp://db.internal:5432' }), { ...trust, trusted: true });
    expect(read.labels).toEqual({ 'steward.check.db': 'tcp://db.internal:5432' });
  });

  it('never lead to a port of this machine that is not the container’s: on the network of the host only what it listens on', () => {
    const host = container({
      'steward.check.own': 'tcp://localhost:18080',
      'steward.check.other': 'tcp://localhost:22',
    });
    const { labels } = readLabels(
      { ...host, container: { ...host.container, ports: [], networks: [{ name: 'host', address: '' }] } },
      trust,
    );
    expect(labels['steward.check.own']).toBe('tcp://127.0.0.1:18080');
    expect(labels['steward.check.other']).toBeUndefined();
    expect(labels[LABEL_PROBLEMS]).toMatch(/steward\.check\.other .* neither listens on port 22 here/);
  });

  it('say nothing of an address while the container does not run, and keep to twenty checks and ten problems', () => {
    const stopped = container(
      { 'steward.check.web': 'tcp://localhost:8080' },
      { state: 'exited', ports: [], networks: [] },
    );
    expect(readLabels(stopped, trust)).toEqual({ name: undefined, critical: false, labels: {} });
    const many = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`steward.check.c${index}`, 'tcp://localhost:8080']),
    );
    expect(checksFromLabels(readLabels(container(many), trust).labels)).toHaveLength(20);
    expect(problems(many)).toHaveLength(11);
  });

  it('whatever they say, an untrusted container is asked about nothing but itself', () => {
    const text = fc.oneof(
      fc.webUrl(),
      fc.string(),
      fc
        .tuple(fc.constantFrom('http', 'tcp', 'redis', 'mysql', 'smtp'), fc.ipV4(), fc.integer({ min: 1, max: 65_535 }))
        .map(([scheme, host, port]) => `${scheme}://${host}:${port}/@localhost`),
    );
    fc.assert(
      fc.property(text, (value) => {
        const { labels } = readLabels(container({ 'steward.check.x': value }), trust);
        const address = labels['steward.check.x'];
        if (address === undefined) return;
        const check = checkAt(address);
        const { hostname, port } = new URL(check?.kind === 'http' ? check.url : address);
        expect(hostname === '172.17.0.2' || `${hostname}:${port}` === '127.0.0.1:18080').toBe(true);
      }),
    );
  });
});

describe('an address', () => {
  it('says by its scheme which check it is', () => {
    expect(checkAt('http://127.0.0.1:80/x')).toMatchObject({
      kind: 'http',
      expectStatus: [200],
      followRedirects: false,
    });
    expect(checkAt('https://example.org/')).toMatchObject({ kind: 'http', insecure: false });
    expect(checkAt('https://172.17.0.2:8443/')).toMatchObject({ insecure: true });
    expect(checkAt('tcp://[::1]:5')).toEqual({ kind: 'tcp', host: '::1', port: 5 });
    expect(checkAt('mysql://db')).toMatchObject({ kind: 'mysql', host: 'db', port: 3306 });
    expect(checksFromLabels({ 'steward.check.a': 'tcp://h:1', 'steward.every': '10s', other: 'tcp://h:2' })).toEqual([
      { kind: 'tcp', host: 'h', port: 1, every: '10s' },
    ]);
  });
});
