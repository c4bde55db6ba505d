import type { ConfiguredMcpServer } from '../../core/recognizer.ts';
import type { Resource } from '../../core/resource.ts';
import type { Listed } from './listed.ts';

export const MCP_KIND = 'mcp-server' satisfies Resource['kind'];

/**
 * Tool servers that files name. Their names carry their user's, or a service of the same name could no longer be
 * called by it.
 */
export function listedMcpServers(servers: readonly ConfiguredMcpServer[]): Listed[] {
  return servers.map(({ name, transport, program, address, user, file }) => ({
    identity: `mcp:${file}#${name}`,
    name: `mcp/${name}@${user}`,
    product: 'mcp-server',
    owner: user,
    labels: {
      'mcp.name': name,
      'mcp.transport': transport,
      ...(program === undefined ? {} : { 'mcp.program': program }),
      ...(address === undefined ? {} : { 'mcp.address': address }),
      'mcp.file': file,
    },
    detail: `${file} names it`,
  }));
}
