import { describe, expect, it } from 'vitest';
import type { KnownResource } from '../../core/inventory-writer.ts';
import type { ConfiguredMcpServer } from '../../core/recognizer.ts';
import type { Resource } from '../../core/resource.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { mcpServersQuery } from './mcp-operations.ts';
import { reconcileListed } from './listed.ts';
import { listedMcpServers, MCP_KIND, withToolServers } from './mcp-servers.ts';

const now = new Date('2026-03-31T02:00:00Z');
const github: ConfiguredMcpServer = {
  name: 'github',
  transport: 'stdio',
  program: 'npx @modelcontextprotocol/server-github',
  user: 'ada',
  file: '/home/ada/.claude.json',
};
const look = (
  seen: readonly ConfiguredMcpServer[],
  known: readonly KnownResource[] = [],
  services: readonly Resource[] = [],
) => {
  let made = 0;
  return reconcileListed({
    node: 'n1',
    now,
    kind: MCP_KIND,
    known,
    seen: listedMcpServers(seen, { services, listeners: [{ protocol: 'tcp', port: 9 }] }),
    newId: () => `mcp_${(made += 1)}`,
  });
};

describe('tool servers that files name', () => {
  it('are known from the first look on, by a name that no service has', () => {
    expect(look([github])).toMatchObject([
      {
        kind: 'found',
        known: {
          resource: { id: 'mcp_1', kind: 'mcp-server', name: 'mcp/github@ada', owner: 'ada', state: 'present' },
        },
      },
    ]);
  });

  it('stay the same while their file says the same, change with it, and are gone with their entry', () => {
    const known = look([github]).map((change) => change.known);
    expect(look([github], known)).toMatchObject([{ kind: 'seen', known: { resource: { id: 'mcp_1' } } }]);
    expect(look([{ ...github, program: 'docker' }], known)).toMatchObject([
      { kind: 'changed', changed: ['labels'], known: { resource: { id: 'mcp_1' } } },
    ]);
    const gone = look([], known);
    expect(gone).toMatchObject([{ kind: 'gone', known: { resource: { state: 'gone', goneSince: now } } }]);
    const tombstones = gone.map((change) => change.known);
    expect(look([], tombstones)).toEqual([]);
    expect(look([github], tombstones)).toMatchObject([{ kind: 'returned', known: { resource: { state: 'present' } } }]);
  });

  it('are listed with those that run', async () => {
    const inventory = fakeInventory([
      ...look([github]).map(({ known }) => known.resource),
      aResource({
        id: 'svc_1',
        name: 'library',
        product: 'mcp-server',
        endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 8931 }],
        labels: { 'mcp.name': 'library', 'mcp.transport': 'http', 'mcp.tools': '3' },
      }),
      aResource({ id: 'svc_2', product: 'nginx' }),
    ]);
    expect(await mcpServersQuery(inventory).handle({}, {} as never)).toMatchObject([
      { name: 'github', running: false, transport: 'stdio', program: github.program, user: 'ada', file: github.file },
      { name: 'library', running: true, transport: 'http', tools: '3', address: 'http://127.0.0.1:8931/mcp' },
    ]);
  });

  it('are one thing with the service that answers where the file says', () => {
    const service = aResource({
      id: 'svc_1',
      name: 'library',
      product: 'mcp-server',
      endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 8931 }],
    });
    const local: ConfiguredMcpServer = {
      name: 'library',
      transport: 'http',
      address: 'http://localhost:8931/mcp',
      user: 'ada',
      file: '/home/ada/.mcp.json',
    };
    expect(look([local], [], [service])).toEqual([]);
    const seen = {
      kind: 'seen',
      known: { resource: service, trace: {}, missedScans: 0, missingSince: undefined },
      changed: [],
    } as const;
    const [joined] = withToolServers([seen], [local]);
    expect(joined).toMatchObject({
      kind: 'changed',
      changed: ['labels'],
      known: { resource: { id: 'svc_1', labels: { 'mcp.file': local.file, 'mcp.user': 'ada' } } },
    });
    expect(joined && withToolServers([{ ...joined, kind: 'seen', changed: [] }], [local])).toMatchObject([
      { kind: 'seen' },
    ]);
    expect(joined && withToolServers([{ ...joined, kind: 'seen', changed: [] }], [])).toMatchObject([
      { kind: 'changed', known: { resource: { labels: {} } } },
    ]);
  });

  it('say whether they answer, wait for adoption, and are never started to find out', () => {
    const at = (address: string): ConfiguredMcpServer => ({
      name: address,
      transport: 'http',
      address,
      user: 'ada',
      file: '/f',
    });
    const answers = look([
      github,
      { ...github, name: 'runs', pid: 7 },
      at('http://127.0.0.1:9/mcp'),
      at('http://127.0.0.1:8/mcp'),
      at('https://far.example/mcp'),
    ]).map(({ known: { resource } }) => [resource.adoption, resource.labels['mcp.answer']]);
    expect(answers).toEqual([
      ['pending', expect.stringContaining('does not run')],
      ['pending', expect.stringContaining('runs for its client')],
      ['pending', expect.stringContaining('does not answer as a tool server')],
      ['pending', expect.stringContaining('nothing listens on port 8')],
      ['pending', expect.stringContaining('elsewhere')],
    ]);
  });
});
