import type { ResourceChange } from '../../core/inventory-writer.ts';
import type { Listener } from '../../core/ports/sockets.ts';
import type { ConfiguredMcpServer } from '../../core/recognizer.ts';
import type { Resource } from '../../core/resource.ts';
import type { Listed } from './listed.ts';

export const MCP_KIND = 'mcp-server' satisfies Resource['kind'];
const PRODUCT = 'mcp-server';
const LOCAL = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Tool servers that files name and that are not known as services already. Their names carry their user's, or a service
 * of the same name could no longer be called by it. What they offer is used by nobody here until a person adopts them.
 */
export function listedMcpServers(
  servers: readonly ConfiguredMcpServer[],
  around: {
    readonly services: readonly Resource[];
    readonly listeners: readonly Pick<Listener, 'protocol' | 'port'>[];
  },
): Listed[] {
  return servers
    .filter((server) => !around.services.some((service) => isNamedBy(service, server)))
    .map((server) => {
      const { name, transport, program, address, user, file, pid } = server;
      return {
        identity: `mcp:${file}#${name}`,
        name: `mcp/${name}@${user}`,
        product: PRODUCT,
        owner: user,
        adoption: 'pending' as const,
        labels: {
          'mcp.name': name,
          'mcp.transport': transport,
          ...(program === undefined ? {} : { 'mcp.program': program }),
          ...(address === undefined ? {} : { 'mcp.address': address }),
          ...(pid === undefined ? {} : { 'mcp.runs': 'true' }),
          'mcp.answer': answerOf(server, around.listeners),
          'mcp.file': file,
        },
        detail: `${file} names it`,
      };
    });
}

/** The service that answers where a file says so is one thing with that entry. */
export function withToolServers(
  changes: readonly ResourceChange[],
  servers: readonly ConfiguredMcpServer[],
): ResourceChange[] {
  return changes.map((change) => {
    const { resource } = change.known;
    if (resource.product !== PRODUCT || change.kind === 'gone' || change.kind === 'missing') return change;
    const named = servers.find((server) => isNamedBy(resource, server));
    const { 'mcp.file': file, 'mcp.user': _, ...rest } = resource.labels;
    if (file === named?.file) return change;
    const labels = named ? { ...rest, 'mcp.file': named.file, 'mcp.user': named.user } : rest;
    const kind = change.kind === 'seen' || change.kind === 'refreshed' ? 'changed' : change.kind;
    const changed = change.changed.includes('labels') ? change.changed : [...change.changed, 'labels'];
    return { kind, known: { ...change.known, resource: { ...resource, labels } }, changed };
  });
}

function isNamedBy({ product, endpoints, state }: Resource, { address }: ConfiguredMcpServer): boolean {
  const port = localPort(address);
  return product === PRODUCT && state === 'present' && port !== undefined && endpoints.some((one) => one.port === port);
}

function localPort(address: string | undefined): number | undefined {
  const url = address === undefined ? null : URL.parse(address);
  if (!url || !LOCAL.test(url.hostname)) return undefined;
  return url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
}

function answerOf(
  { transport, address, pid }: ConfiguredMcpServer,
  listeners: readonly Pick<Listener, 'protocol' | 'port'>[],
): string {
  if (transport === 'stdio')
    return pid === undefined
      ? 'It does not run; a client starts it when it wants it, and Steward never does.'
      : 'It runs for its client and answers to nobody else.';
  const port = localPort(address);
  if (port === undefined) return 'It is elsewhere and was not asked.';
  return listeners.some((one) => one.protocol === 'tcp' && one.port === port)
    ? `Something listens on port ${port}, and it does not answer as a tool server.`
    : `It cannot be reached: nothing listens on port ${port}.`;
}
