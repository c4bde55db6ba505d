import { z } from 'zod';
import { LOCAL_ACTOR } from '../core/actor.ts';
import { ms, parseDuration } from '../core/duration.ts';
import { Proof } from '../core/identity.ts';
import type { Json } from '../core/json.ts';
import { NodeRecord } from '../core/node.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../core/operation.ts';
import { secretInput } from '../core/secret-input.ts';
import { confirmed } from './confirmed.ts';
import type { OperationDeps } from './operation-deps.ts';
import { naming } from '../core/naming.ts';

/** Below what a client of the API waits for an answer. */
const WAIT_DRAINED_MS = 55_000;

const node = naming('node', z.string().min(1).max(200).describe('The node, by name or id.'));

export function nodeOperations({ nodes, nodeCare, invitations, confirm }: OperationDeps): AnyOperation[] {
  const list = defineQuery({
    name: 'registry-nodes',
    title: 'Nodes',
    summary: 'Lists the machines that run Steward on this store, and whether they are alive.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(NodeRecord) }),
    paths: ['/api/v1/automation/registry/nodes'],
    cli: ['nodes'],
    columns: ['name', 'state', 'draining', 'version', 'labels', 'runsInFlight', 'lastHeartbeat', 'clockSkewMs'],
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

  const state = async ({ node: reference }: { readonly node: string }): Promise<Json | undefined> => {
    const found = (await nodes.list()).find(({ id, name }) => id === reference || name === reference);
    return found && { state: found.state, draining: found.draining, labels: found.labels };
  };

  const drain = defineCommand({
    name: 'node-drain',
    title: 'Drain a node',
    summary: 'A node takes no new work from now on and ends what runs there; its own machine is still healed.',
    permission: 'operate',
    noAgents: true,
    input: z.object({
      node,
      wait: z
        .boolean()
        .default(false)
        .describe('Answer when nothing runs there any more, or with TIMEOUT after 55 s; it goes on draining then.'),
    }),
    output: NodeRecord,
    cli: ['node', 'drain'],
    cliArguments: ['node'],
    state,
    async handle({ node: reference, wait }, { actor }) {
      const record = await nodeCare.drain(reference, actor);
      return wait ? await nodeCare.waitDrained(record.id, WAIT_DRAINED_MS) : record;
    },
  });

  const resume = defineCommand({
    name: 'node-resume',
    title: 'Resume a node',
    summary: 'A node that drains takes work again.',
    permission: 'operate',
    noAgents: true,
    input: z.object({ node }),
    output: NodeRecord,
    cli: ['node', 'resume'],
    cliArguments: ['node'],
    state,
    handle: async ({ node: reference }, { actor }) => await nodeCare.resume(reference, actor),
  });

  const label = defineCommand({
    name: 'node-label',
    title: 'Label a node',
    summary: 'Gives a node a label that runs can be placed by; an empty value takes it away again.',
    permission: 'administer',
    noAgents: true,
    input: z.object({
      node,
      label: z
        .string()
        .regex(/^[\w./-]{1,63}=[\w./ -]{0,63}$/, 'expected key=value of letters, digits, dots, slashes and dashes')
        .describe('As in site=paris.'),
    }),
    output: NodeRecord,
    cli: ['node', 'label'],
    cliArguments: ['node', 'label'],
    state,
    async handle({ node: reference, label: text }) {
      const at = text.indexOf('=');
      return await nodeCare.label(reference, text.slice(0, at), text.slice(at + 1));
    },
  });

  const remove = defineCommand({
    name: 'node-remove',
    title: 'Remove a node',
    summary: 'Forgets a node that is stopped or lost: its services are gone, what waited for it expires.',
    permission: 'administer',
    noAgents: true,
    input: z.object({ node }),
    output: z.object({
      id: z.string(),
      name: z.string(),
      expired: z.number().int().describe('Runs that waited for it and will not happen.'),
    }),
    cli: ['node', 'remove'],
    cliArguments: ['node'],
    state,
    handle: async ({ node: reference }, { actor }) => await nodeCare.remove(reference, actor),
  });

  const invite = defineCommand({
    name: 'node-invite',
    title: 'Invite a node',
    summary: 'Makes a token with which one more machine may join this store, once.',
    permission: 'administer',
    // It opens the address of the database and the key of the vault: whoever has those needs nobody's approval.
    personOrMachine: true,
    noAgents: true,
    input: z.object({
      expires: z
        .string()
        .max(20)
        .refine((text) => {
          const length = parseDuration(text) ?? 0;
          return length >= 1_000 && length <= ms('7d');
        }, 'expected a duration from 1s to 7d, such as 30m or 1h')
        .default('1h')
        .describe('How long it can be used.'),
      databaseUrl: secretInput(
        z
          .url({ protocol: /^postgres(ql)?$/, error: 'expected postgresql://user:password@host:5432/database' })
          .max(2_000),
      )
        .optional()
        .describe('The address of the database as the new machine reaches it, where it is another than here.'),
      proof: Proof.optional().describe('That it is really you; not asked of the command line on this machine.'),
    }),
    output: z.object({
      token: z.string().describe('Shown once.'),
      expiresAt: z.coerce.date(),
      command: z.string().describe('For the new machine.'),
      note: z.string().optional(),
    }),
    cli: ['node', 'invite'],
    async handle({ expires, databaseUrl, proof }, { actor, from }) {
      if (actor.id !== LOCAL_ACTOR) await confirmed(confirm, { actor, proof, purpose: 'invite-node', from });
      return await invitations.create({ expiresMs: ms(expires), databaseUrl, by: actor.name });
    },
  });

  return [list, heartbeat, drain, resume, label, remove, invite];
}
