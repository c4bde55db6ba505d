import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { Resource } from '../resource.ts';
import { proposeSources, type SeenForBackups } from './propose.ts';
import { BackupSource } from './source.ts';

const service = (name: string, product: string, port?: number, more: object = {}): Resource =>
  Resource.parse({
    id: name,
    kind: 'service',
    identity: name,
    node: 'n',
    name,
    product,
    confidence: 1,
    evidence: [],
    endpoints: port === undefined ? [] : [{ protocol: 'tcp', address: '0.0.0.0', port }],
    pids: [],
    supervisor: { kind: 'none' },
    labels: {},
    critical: false,
    adoption: 'adopted',
    origin: 'discovered',
    state: 'present',
    firstSeen: new Date(),
    lastSeen: new Date(),
    ...more,
  });
const nothing: SeenForBackups = { sqlite: [], unreachable: [], volumes: [], units: [], mcpFiles: [], certificates: [] };

describe('what could be copied', () => {
  it('is every database that runs here, with what a person has to add, as a source that the configuration takes', () => {
    const proposals = proposeSources(
      [
        service('shop db', 'postgresql', 5433),
        service('cache', 'redis', 6379),
        service('cache', 'redis', 6380),
        service('web', 'nginx', 80),
        service('gone', 'mariadb', 3306, { state: 'gone' }),
      ],
      nothing,
      [BackupSource.parse({ kind: 'redis', name: 'mine', host: 'localhost' })],
    );
    expect(proposals.map(({ name, kind, coveredBy, missing }) => [name, kind, coveredBy, missing])).toEqual([
      ['shop-db', 'postgres', undefined, expect.stringContaining('password')],
      ['cache', 'redis', 'mine', undefined],
      ['cache-2', 'redis', undefined, expect.stringContaining('password')],
    ]);
    for (const { yaml } of proposals)
      for (const source of parse(yaml) as unknown[]) expect(() => BackupSource.parse(source)).not.toThrow();
    expect(parse(proposals[0]?.yaml ?? '')).toEqual([
      { name: 'shop-db', kind: 'postgres', host: '127.0.0.1', port: 5433, user: 'backup' },
    ]);
  });

  it('is a container of a database too, where a source on the local socket has the same port', () => {
    const container = service('billing', 'postgres', 5432, {
      kind: 'container',
      endpoints: [{ protocol: 'tcp', address: '172.18.0.5', port: 5432 }],
      supervisor: { kind: 'docker', container: 'c0', name: 'shop-billing-1' },
    });
    const local = service('main', 'postgresql', 5432);
    const socket = BackupSource.parse({ kind: 'postgres', name: 'host', host: '/var/run/postgresql' });
    const coveredBy = (...configured: BackupSource[]): unknown[] =>
      proposeSources([container, local], nothing, configured).map((one) => [one.name, one.coveredBy]);
    expect(coveredBy(socket)).toEqual([
      ['billing', undefined],
      ['main', 'host'],
    ]);
    expect(coveredBy(BackupSource.parse({ kind: 'postgres', name: 'its-own', host: '172.18.0.5' }))).toEqual([
      ['billing', 'its-own'],
      ['main', undefined],
    ]);
  });

  it('is a container by its name where it publishes no port, with or without an address that was seen', () => {
    const contained = (name: string, product: string, endpoints: object[]): Resource =>
      service(name, product, undefined, {
        endpoints: endpoints.map((endpoint) => ({ protocol: 'tcp', ...endpoint })),
        supervisor: { kind: 'docker', container: 'c0', name: `shop-${name}-1` },
      });
    const resources = [
      contained('db', 'postgresql', [{ address: '172.18.0.5', port: 5432 }]),
      contained('silent', 'mariadb', []),
      contained('open', 'redis', [{ address: '0.0.0.0', port: 6390 }]),
    ];
    const proposed = proposeSources(resources, nothing, []);
    expect(proposed.flatMap(({ yaml }) => parse(yaml) as unknown)).toEqual([
      { name: 'db', kind: 'postgres', container: 'shop-db-1', port: 5432, user: 'backup' },
      { name: 'silent', kind: 'mysql', container: 'shop-silent-1', user: 'backup' },
      { name: 'open', kind: 'redis', host: '127.0.0.1', port: 6390 },
    ]);
    expect(proposed[1]?.missing).toContain('password');
    const unreachable = [{ container: 'shop-silent-1', todo: 'give it a network' }];
    expect(proposeSources(resources, { ...nothing, unreachable }, [])[1]?.missing).toBe('give it a network');
    const configured = proposed
      .flatMap(({ yaml }) => parse(yaml) as unknown[])
      .map((source, index) => BackupSource.parse({ ...(source as object), name: `mine-${index}` }));
    expect(proposeSources(resources, nothing, configured).map(({ coveredBy }) => coveredBy)).toEqual([
      'mine-0',
      'mine-1',
      'mine-2',
    ]);
    // The address that every source has is not that of one which names a container.
    const elsewhere = BackupSource.parse({ kind: 'postgres', name: 'x', container: 'other' });
    expect(proposeSources([service('main', 'postgresql', 5432)], nothing, [elsewhere])[0]?.coveredBy).toBeUndefined();
  });

  it('is covered by several sources together, and by none that leaves it out', () => {
    const seen = { ...nothing, units: ['/etc/systemd/system/a.service', '/opt/units/b.service'] };
    const coveredBy = (...configured: object[]): unknown =>
      proposeSources(
        [],
        seen,
        configured.map((each) => BackupSource.parse({ kind: 'files', ...each })),
      )[0]?.coveredBy;
    expect(coveredBy({ name: 'etc', paths: ['/etc'] }, { name: 'opt', paths: ['/opt/units'] })).toBe('etc, opt');
    expect(coveredBy({ name: 'etc', paths: ['/etc'] })).toBeUndefined();
    expect(coveredBy({ name: 'all', paths: ['/'], exclude: ['/opt'] })).toBeUndefined();
    expect(coveredBy({ name: 'all', paths: ['/'], exclude: ['*.service'] })).toBeUndefined();
    expect(coveredBy({ name: 'all', paths: ['/'] })).toBe('all');
  });

  it('is every open SQLite file, every volume that is no database, and the files that describe the machine', () => {
    const hostile = '/srv/x: y\n- name: evil/data #1.db';
    const proposals = proposeSources(
      [
        service('web', 'app', 80, {
          declared: { file: '/srv/app one/docker-compose.yml', line: 1, running: true, profiles: [] },
        }),
      ],
      {
        unreachable: [],
        sqlite: [{ path: hostile, by: 'app (process 7)' }],
        volumes: [
          { name: 'pgdata', images: ['registry.example/postgres:15'] },
          { name: 'notes', images: ['notes:1'] },
        ],
        units: ['/etc/systemd/system/app.service'],
        mcpFiles: ['/root/.mcp.json'],
        certificates: ['/etc/letsencrypt'],
      },
      [BackupSource.parse({ kind: 'files', name: 'all-compose', paths: ['/srv/*/docker-compose.yml'] })],
    );
    expect(proposals.map(({ kind, name, coveredBy }) => [kind, name, coveredBy])).toEqual([
      ['sqlite', 'data-1-db', undefined],
      ['volume', 'notes', undefined],
      ['files', 'compose-files', 'all-compose'],
      ['files', 'unit-files', undefined],
      ['files', 'mcp-servers', undefined],
      ['certificates', 'certificates', undefined],
    ]);
    const sources = proposals.flatMap(({ yaml }) => parse(yaml) as unknown[]).map((each) => BackupSource.parse(each));
    expect(sources).toHaveLength(6);
    expect(sources[0]).toMatchObject({ kind: 'sqlite', path: hostile });
  });
});
