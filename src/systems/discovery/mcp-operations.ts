import { z } from 'zod';
import type { Inventory } from '../../core/inventory.ts';
import { type AnyOperation, defineQuery, NoInput } from '../../core/operation.ts';
import type { Resource } from '../../core/resource.ts';

const McpServer = z.object({
  id: z.string(),
  name: z.string().describe('As it calls itself, or as the file calls it; untrusted text.'),
  running: z.boolean().describe('Whether it was seen to answer. One that a file names is never started to find out.'),
  transport: z.string().describe('stdio, http or sse.'),
  version: z.string().optional(),
  tools: z.string().optional().describe('How many tools it offers, where it answered.'),
  address: z.string().optional(),
  program: z.string().optional().describe('What is started for it; its arguments are not kept.'),
  user: z.string().optional().describe('Whose it is.'),
  file: z.string().optional().describe('The file that names it.'),
});

export function mcpServersQuery(inventory: Inventory): AnyOperation {
  return defineQuery({
    name: 'mcp-servers',
    title: 'Tool servers of assistants',
    summary: 'Lists the MCP servers of the machine: those that run and answer, and those that files of its users name.',
    permission: 'read',
    input: NoInput,
    output: z.array(McpServer),
    paths: ['/api/v1/automation/discovery/mcp-servers'],
    cli: ['mcp-servers'],
    columns: ['name', 'transport', 'tools', 'address', 'program', 'user', 'file'],
    handle: async () => (await inventory.find({ product: 'mcp-server' })).map(mcpRow),
  });
}

function mcpRow({ id, kind, name, labels, endpoints, owner, version }: Resource): z.input<typeof McpServer> {
  const port = endpoints.find(({ protocol }) => protocol === 'tcp')?.port;
  return {
    id,
    name: labels['mcp.name'] || name,
    running: kind === 'service',
    transport: labels['mcp.transport'] ?? 'http',
    version,
    tools: labels['mcp.tools'],
    address: labels['mcp.address'] ?? (kind === 'service' && port ? `http://127.0.0.1:${port}/mcp` : undefined),
    program: labels['mcp.program'],
    user: owner,
    file: labels['mcp.file'],
  };
}
