import { describe, expect, it } from 'vitest';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { Connection } from '../../core/ports/sockets.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakeProcesses } from '../../testing/fakes/fake-processes.ts';
import { callers, directoryOf, edgesFromConfiguration, edgesFromConnections, edgesFromContainers } from './topology.ts';

const AT = new Date('2026-11-20T08:00:00Z');
const from = (pids: number[], remote: string, port: number, part: Partial<Connection> = {}): Connection => ({
  local: { address: '127.0.0.1', port: 50_000 },
  remote: { address: remote, port },
  pids,
  ...part,
});
const pairs = (edges: readonly { from: string; to: string; kind: string }[]): string[] =>
  edges.map((edge) => `${edge.from} ${edge.kind} ${edge.to}`);

async function world() {
  const processes = fakeProcesses();
  const app = processes.start(['/usr/bin/node', 'app.js']);
  const worker = processes.start(['/usr/bin/node', 'worker.js'], { parent: app.pid });
  const database = processes.start(['/usr/bin/postgres']);
  const stranger = processes.start(['/usr/bin/psql']);
  const resources = [
    aResource({ id: 'app', pids: [app.pid], endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 8000 }] }),
    aResource({ id: 'db', pids: [database.pid], endpoints: [{ protocol: 'tcp', address: '0.0.0.0', port: 5432 }] }),
    aResource({ id: 'web', supervisor: { kind: 'docker', container: 'c1', name: 'web' } }),
    aResource({ id: 'cache', supervisor: { kind: 'docker', container: 'c2', name: 'cache' } }),
  ];
  const container = (id: string, name: string, address: string, labels: Record<string, string>): ContainerInfo => ({
    id,
    name,
    labels,
    image: name,
    state: 'running',
    health: 'none',
    healthLog: undefined,
    exitCode: 0,
    oomKilled: false,
    stoppedOnPurpose: false,
    restartCount: 0,
    restartPolicy: 'no',
    pid: 0,
    startedAt: undefined,
    finishedAt: undefined,
    networks: [{ name: 'shop_default', address }],
    ports: [],
    command: [],
  });
  const compose = (service: string): Record<string, string> => ({
    'com.docker.compose.project': 'shop',
    'com.docker.compose.service': service,
  });
  const containers = [
    container('c1', 'web', '172.20.0.2', {
      ...compose('web'),
      'com.docker.compose.depends_on': 'cache:service_started:false',
    }),
    container('c2', 'cache', '172.20.0.3', compose('cache')),
  ];
  return {
    app,
    worker,
    database,
    stranger,
    containers,
    resources,
    directory: directoryOf(resources, await processes.list(), containers),
  };
}

describe('connections', () => {
  it('lead from the client to the server, once, however many there are', async () => {
    const { app, worker, directory } = await world();

    const edges = edgesFromConnections(
      [
        from([app.pid], '127.0.0.1', 5432),
        from([worker.pid], '127.0.0.1', 5432),
        from([app.pid], '::ffff:127.0.0.1', 5432),
      ],
      directory,
      new Set(),
      AT,
    );

    expect(edges).toMatchObject([
      { from: 'app', to: 'db', kind: 'connects-to', evidence: [{ source: 'connection' }], lastSeen: AT },
    ]);
  });

  it('lead one way between containers, of which both ends are seen', async () => {
    const { directory } = await world();
    const end = (container: string, port: number, remote: string, remotePort: number): Connection => ({
      local: { address: '10.0.0.9', port },
      remote: { address: remote, port: remotePort },
      pids: [],
      container,
    });
    const both = [end('c1', 40_000, '172.20.0.3', 6379), end('c2', 6379, '172.18.0.2', 40_000)];
    const listener = { protocol: 'tcp', address: '0.0.0.0', port: 6379, pids: [], uid: 0 } as const;

    const edges = edgesFromConnections(
      callers(both, [
        { ...listener, container: 'c2' },
        // On the machine itself, which is another place.
        { ...listener, port: 40_000 },
      ]),
      directory,
      new Set(),
      AT,
    );

    expect(pairs(edges)).toEqual(['web connects-to cache']);
  });

  it('of the server side, of strangers, of itself and of Steward make no edge', async () => {
    const { app, database, stranger, directory } = await world();
    const serverSide: Connection = {
      local: { address: '127.0.0.1', port: 5432 },
      remote: { address: '127.0.0.1', port: 50_000 },
      pids: [database.pid],
    };

    const edges = edgesFromConnections(
      [
        serverSide,
        from([stranger.pid], '127.0.0.1', 5432),
        from([app.pid], '127.0.0.1', 8000),
        from([app.pid], '203.0.113.9', 443),
        from([77], '127.0.0.1', 5432),
      ],
      directory,
      new Set([77]),
      AT,
    );

    expect(edges).toEqual([]);
  });

  it('between containers are known by the addresses of their network', async () => {
    const { directory } = await world();

    expect(
      pairs(edgesFromConnections([from([], '172.20.0.3', 6379, { container: 'c1' })], directory, new Set(), AT)),
    ).toEqual(['web connects-to cache']);
  });
});

it('tells what a compose file says from merely sharing a network', async () => {
  const { containers, directory } = await world();

  expect(pairs(edgesFromContainers(containers, directory, AT))).toEqual(['web configured cache', 'cache network web']);
});

it('takes dependencies from the configuration', async () => {
  const { resources } = await world();
  const service = { critical: false, labels: {}, checks: [], restart: 'auto' } as const;

  const edges = edgesFromConfiguration([{ ...service, name: 'app', dependsOn: ['db', 'nobody'] }], resources, AT);

  expect(pairs(edges)).toEqual(['app configured db']);
});
