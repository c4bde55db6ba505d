import { describe, expect, it } from 'vitest';
import type { Sighting } from '../../core/recognizer.ts';
import type { Clues } from './clues.ts';
import { parseImage } from './clues.ts';
import { hintsOf, identify } from './identify.ts';

const CONFIDENT = 0.8;

function clues(
  part: Partial<Omit<Clues, 'recognitions'>> & {
    sightings?: readonly Partial<Sighting>[];
    answer?: 'spoke' | 'silent' | 'refused';
  },
): Clues {
  const { sightings = [], answer = sightings.length > 0 ? 'spoke' : 'silent', ...rest } = part;
  return {
    process: undefined,
    app: undefined,
    unit: undefined,
    container: undefined,
    programVersion: undefined,
    recognitions: [
      {
        port: 4711,
        recognition: {
          answer,
          sightings: sightings.map((sighting) => ({
            source: 'banner',
            protocol: 'unknown',
            tls: false,
            detail: 'seen',
            fields: {},
            ...sighting,
          })),
        },
      },
    ],
    ...rest,
  };
}

const runs = (executable: string, ...args: string[]): Clues['process'] => ({ executable, argv: [executable, ...args] });
const postgres: Partial<Sighting> = { source: 'handshake', protocol: 'postgresql', product: 'postgresql' };
const http = (fields: Record<string, string>): Partial<Sighting> => ({
  source: 'http',
  protocol: 'http',
  fields: { status: '200', ...fields },
});

describe('what is certain', () => {
  it('is a program whose port completes its handshake', () => {
    const found = identify(
      clues({ process: runs('/usr/lib/postgresql/15/bin/postgres', '-D', '/data'), sightings: [postgres] }),
    );

    expect(found).toMatchObject({ product: 'postgresql', version: '15' });
    expect(found.confidence).toBeGreaterThan(0.95);
  });

  it('is a handshake where the process cannot be seen', () => {
    expect(identify(clues({ sightings: [postgres] }))).toMatchObject({ product: 'postgresql', confidence: 0.85 });
  });

  it('is the more exact name of two that fit: mysqld that greets as MariaDB', () => {
    const found = identify(
      clues({
        process: runs('/usr/sbin/mysqld'),
        sightings: [{ source: 'handshake', protocol: 'mysql', product: 'mariadb', version: '10.3.39' }],
      }),
    );

    expect(found).toMatchObject({ product: 'mariadb', version: '10.3.39' });
    expect(found.confidence).toBeGreaterThan(CONFIDENT);
  });

  it('is the pooler, not the database whose language it speaks', () => {
    expect(identify(clues({ process: runs('/usr/sbin/pgbouncer'), sightings: [postgres] })).product).toBe('pgbouncer');
  });

  it('is the proxy, not what answers through it', () => {
    const found = identify(
      clues({
        process: runs('/usr/sbin/haproxy'),
        sightings: [postgres, http({ 'header.server': 'nginx/1.25.3', title: 'Grafana' })],
      }),
    );

    expect(found).toMatchObject({ product: 'haproxy' });
    expect(found.confidence).toBeGreaterThanOrEqual(CONFIDENT);
  });

  it('is an image together with what runs in it', () => {
    const found = identify(
      clues({
        process: runs('/usr/local/bin/redis-server'),
        container: { image: 'redis:7.2-alpine', name: 'cache' },
      }),
    );

    expect(found).toMatchObject({ product: 'redis', version: '7.2' });
    expect(found.confidence).toBeGreaterThan(0.9);
  });

  it('is an application of a known kind with a name of its own', () => {
    const found = identify(
      clues({
        process: runs('/usr/bin/node', 'server.js'),
        app: { name: 'shop', from: 'package', version: '2.4.1' },
        sightings: [http({ title: 'The shop' })],
      }),
    );

    expect(found).toMatchObject({ product: 'node-app', version: '2.4.1' });
    expect(found.confidence).toBeGreaterThanOrEqual(CONFIDENT);
  });
});

describe('what lies is not believed', () => {
  it.each([
    [
      'a copied SSH banner',
      clues({
        process: runs('/usr/bin/python3.11', 'fake.py'),
        app: { name: 'fake', from: 'script' },
        sightings: [{ protocol: 'ssh', product: 'openssh', version: '9.9' }],
      }),
    ],
    [
      'a copied MySQL greeting',
      clues({
        process: runs('/usr/bin/node', 'fake.js'),
        app: { name: 'fake', from: 'script' },
        sightings: [{ protocol: 'mysql', product: 'mysql', version: '8.4.3' }],
      }),
    ],
    [
      'a Server header',
      clues({
        process: runs('/usr/bin/python3.11', 'fake.py'),
        app: { name: 'fake', from: 'script' },
        sightings: [http({ 'header.server': 'nginx/1.25.3' })],
      }),
    ],
    [
      'a header and a page of two products',
      clues({
        process: runs('/usr/bin/node', 'fake.js'),
        app: { name: 'fake', from: 'script' },
        sightings: [http({ 'header.server': 'nginx/1.25.3', title: 'Grafana' })],
      }),
    ],
    [
      'a header from a shell',
      clues({
        process: runs('/bin/busybox', 'nc', '-l', '-p', '80'),
        sightings: [http({ 'header.server': 'nginx/1.25.3' })],
      }),
    ],
    [
      'a header from a process nobody can see',
      clues({ sightings: [http({ 'header.server': 'nginx/1.25.3', body: 'welcome to nginx' })] }),
    ],
    [
      'a header from a program nobody knows',
      clues({ process: runs('/opt/app/thing'), sightings: [http({ 'header.server': 'Apache/2.4' })] }),
    ],
    [
      'a handshake of another product from a known program',
      clues({ process: runs('/usr/sbin/nats-server'), sightings: [postgres] }),
    ],
    [
      'an imitated endpoint',
      clues({
        process: runs('/usr/bin/node', 'fake.js'),
        sightings: [
          http({ title: 'Grafana' }),
          { source: 'http', protocol: 'http', product: 'grafana', version: '11.0' },
        ],
      }),
    ],
    ['silence', clues({ process: runs('/usr/bin/python3.11', 'quiet.py'), app: { name: 'quiet', from: 'script' } })],
    ['nothing at all', clues({})],
  ])('%s names nothing', (_, seen) => {
    const found = identify(seen);

    expect(found.product).toBe('unknown');
    expect(found.confidence).toBeLessThan(0.5);
  });

  it('leaves a real handshake from a script named, but unsure', () => {
    const found = identify(
      clues({
        process: runs('/usr/bin/python3.11', 'double.py'),
        sightings: [{ source: 'handshake', protocol: 'redis', product: 'redis' }],
      }),
    );

    expect(found.confidence).toBeLessThan(CONFIDENT);
  });

  it('takes what runs, not what it calls itself', () => {
    const renamed = { executable: '/usr/bin/python3.11', argv: ['nginx: master process /usr/sbin/nginx'] };

    expect(identify(clues({ process: renamed, sightings: [http({ 'header.server': 'nginx/1.25.3' })] })).product).toBe(
      'unknown',
    );
  });

  it('says what was seen, even where it names nothing', () => {
    const found = identify(
      clues({ process: runs('/usr/bin/python3.11', 'quiet.py'), app: { name: 'quiet', from: 'script' } }),
    );

    expect(found.evidence.map(({ detail }) => detail)).toEqual([
      'runs /usr/bin/python3.11 for quiet',
      'port 4711 takes connections and says nothing',
    ]);
  });
});

it('tells the recognizer which protocol to speak first', () => {
  expect(hintsOf({ ...clues({ process: runs('/usr/bin/redis-server') }) })).toEqual(['redis']);
  expect(
    hintsOf({
      ...clues({
        container: { image: 'registry.example:5000/library/postgres:16@sha256:00', name: 'db' },
      }),
    }),
  ).toEqual(['postgresql']);
});

it('reads repository and tag of an image with a registry and a digest', () => {
  expect(parseImage('registry.example:5000/library/Redis:7.2@sha256:0123')).toEqual({
    repository: 'redis',
    tag: '7.2',
  });
});
