import { z } from 'zod';
import { NodeRecord } from '../core/node.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../core/operation.ts';
import type { OperationDeps } from './operation-deps.ts';

export function nodeOperations({ nodes }: OperationDeps): AnyOperation[] {
  const list = defineQuery({
    name: 'registry-nodes',
    title: 'Nodes',
    summary: 'Lists the machines that run Steward on this store, and whether they are alive.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(NodeRecord) }),
    paths: ['/api/v1/automation/registry/nodes'],
    cli: ['nodes'],
    columns: ['id', 'name', 'state', 'version', 'lastHeartbeat'],
    handle: async () => ({ items: await nodes.list() }),
  });

  const heartbeat = defineCommand({
    name: 'node-heartbeat',
    title: 'Heartbeat of a node',
    summary: 'Says on behalf of a node that it is alive.',
    permission: 'operate',
    noAgents: true,
    input: z.object({ id: z.string().describe('The node.') }),
    output: NodeRecord,
    paths: ['/api/v1/automation/registry/nodes/{id}/heartbeat'],
    cli: ['node', 'heartbeat'],
    cliArguments: ['id'],
    handle: async ({ id }) => await nodes.beatFor(id),
  });

  return [list, heartbeat];
}
