import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { KeptRecipe, RecipesPort } from '../../core/ports/recipes.ts';
import type { InventoryWriter } from '../../core/inventory-writer.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Monitor } from '../../core/monitor.ts';
import { ServiceStatus } from '../../core/monitor.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { redact } from '../../core/redact.ts';
import { Declared, Endpoint, Evidence, Published, Resource } from '../../core/resource.ts';
import type { ScanRecord } from '../../core/inventory-writer.ts';
import { mcpServersQuery } from './mcp-operations.ts';
import { SeenState, seenState } from './seen-state.ts';
import { historyOperations, Scan } from './history.ts';
import { topologyOperations } from './topology-operations.ts';
import { naming } from '../../core/naming.ts';

export interface OperationDeps {
  readonly inventory: Inventory;
  readonly writer: InventoryWriter;
  readonly monitor: () => Monitor | undefined;
  /** What is kept to start a bare process again. */
  readonly kept: RecipesPort['kept'];
  readonly discovery: { scan(trigger: ScanRecord['trigger']): Promise<ScanRecord> };
}

const ServiceRow = z.object({
  id: z.string(),
  name: z.string(),
  product: z.string().describe("What it is; 'unknown' where the evidence does not carry a name."),
  version: z.string().optional(),
  state: SeenState,
  endpoint: z.string().optional().describe('Where it listens, the first address of several.'),
  confidence: z.number().describe('0 to 1; 0.8 and more is sure.'),
  evidence: z.array(Evidence).describe('What was seen, strongest first; untrusted text.'),
  endpoints: z.array(Endpoint),
  supervisor: z.enum(['systemd', 'docker', 'process', 'foreign', 'none']).describe('Who restarts it.'),
  supervisorName: z.string().optional().describe('Unit, container or supervisor.'),
  owner: z.string().optional(),
  node: z.string(),
  labels: z.record(z.string(), z.string()),
  critical: z.boolean(),
  adoption: Resource.shape.adoption,
  origin: Resource.shape.origin,
  present: z.boolean().describe('False for a tombstone.'),
  declared: Declared.optional(),
  published: z.array(Published).optional().describe('Addresses that people use, through a proxy; untrusted text.'),
  since: z.coerce.date().optional().describe('Since when the state holds.'),
  firstSeen: z.coerce.date(),
  lastSeen: z.coerce.date(),
});
type ServiceRow = z.input<typeof ServiceRow>;

const Recipe = z.object({
  origin: z
    .enum(['captured', 'configured'])
    .describe('Read from the running process, or said by launch in steward.yaml.'),
  arguments: z.array(z.string()).describe('Without what looks like a secret.'),
  folder: z.string(),
  user: z.string().describe('uid:gid.'),
  startedAt: z.coerce.date().optional().describe('The start that it was captured from.'),
  capturedAt: z.coerce.date(),
  variables: z.array(z.string()).describe('Names of the environment variables that are kept, encrypted.'),
  missing: z.array(z.string()).describe('Names that may be kept and that the process did not have.'),
  problem: z.string().optional().describe('Why it cannot be used, and what to do.'),
});

export function discoveryOperations({ inventory, writer, monitor, kept, discovery }: OperationDeps): AnyOperation[] {
  const reference = z.object({
    id: naming('service', z.string().min(1).max(500).describe('Id, name or identity of the service.')),
  });

  async function one(id: string): Promise<Resource> {
    const resource = await inventory.resolve(id);
    if (!resource)
      throw new StewardError('NOT_FOUND', `No service is called '${id}'.`, { hint: 'See the list: steward services' });
    return resource;
  }

  async function decide(
    id: string,
    adoption: Resource['adoption'],
    call: { actor: Parameters<InventoryWriter['setAdoption']>[2]; now: Date },
  ): Promise<ServiceRow> {
    const resource = await one(id);
    const changed = await writer.setAdoption(resource.id, adoption, call.actor, call.now);
    return row(changed ?? resource, await monitor()?.status(resource.id));
  }

  const adoption = async ({ id }: { readonly id: string }): Promise<string | undefined> =>
    (await inventory.resolve(id))?.adoption;

  return [
    defineQuery({
      name: 'services',
      title: 'Services',
      summary: 'Lists every service Steward knows, what it is, how sure that is, and how it is.',
      permission: 'read',
      input: z.object({
        product: z.string().max(100).optional().describe('Only of this product.'),
        node: z.string().max(200).optional().describe('Only of this node.'),
        gone: z
          .stringbool()
          .or(z.boolean())
          .default(false)
          .describe('Tombstones too: services that are no longer there.'),
      }),
      output: z.array(ServiceRow),
      examples: [{ title: 'Every PostgreSQL', input: { product: 'postgresql' } }],
      paths: ['/api/v1/automation/discovery/services'],
      cli: ['services'],
      columns: ['name', 'product', 'version', 'endpoint', 'state', 'confidence', 'supervisor', 'node'],
      async handle({ product, node, gone }) {
        const resources = await inventory.find({ kind: 'service', product, node, state: gone ? 'all' : 'present' });
        const states = new Map((await monitor()?.all())?.map((status) => [status.resourceId, status]));
        return resources.map((resource) => row(resource, states.get(resource.id)));
      },
    }),

    defineQuery({
      name: 'service-get',
      title: 'Service',
      summary: 'Shows one service with its checks, what it needs and what needs it.',
      permission: 'read',
      input: reference,
      output: ServiceRow.extend({
        identity: z.string(),
        pids: z.array(z.number().int()),
        recipe: Recipe.optional().describe('What is kept to start it again, where its owner asked for that.'),
        recipeMissing: z.string().optional().describe('Why nothing is kept though its owner asked for it.'),
        checks: ServiceStatus.shape.checks,
        dependsOn: z.array(z.string()).describe('Names of the services it needs, nearest first.'),
        neededBy: z.array(z.string()).describe('Names of the services that stop working with it.'),
      }),
      paths: ['/api/v1/services/{id}'],
      cli: ['service'],
      cliArguments: ['id'],
      async handle({ id }) {
        const resource = await one(id);
        const status = await monitor()?.status(resource.id);
        const [needs, needed, recipe] = await Promise.all([
          inventory.dependenciesOf(resource.id),
          inventory.dependentsOf(resource.id),
          kept(resource.id),
        ]);
        return {
          ...row(resource, status),
          identity: resource.identity,
          pids: resource.pids,
          recipe: recipe && recipeRow(recipe),
          recipeMissing: resource.supervisor.kind === 'none' ? resource.supervisor.reason : undefined,
          checks: status?.checks ?? [],
          dependsOn: needs.map(({ name }) => name),
          neededBy: needed.map(({ name }) => name),
        };
      },
    }),

    mcpServersQuery(inventory),

    ...topologyOperations({ inventory, monitor }),

    defineCommand({
      name: 'discovery-scan',
      title: 'Scan now',
      summary: 'Looks for services at once instead of waiting for the next scan.',
      permission: 'operate',
      input: NoInput,
      output: Scan,
      paths: ['/api/v1/automation/discovery/scan'],
      cli: ['discover'],
      async handle() {
        return await discovery.scan('request');
      },
    }),

    ...historyOperations({ writer }),

    defineCommand({
      name: 'adopt-service',
      title: 'Adopt a service',
      summary: 'Lets Steward watch and heal a service that waits for adoption or was ignored.',
      permission: 'operate',
      noAgents: true,
      input: reference,
      output: ServiceRow,
      cliArguments: ['id'],
      state: adoption,
      handle: async ({ id }, call) => await decide(id, 'adopted', call),
    }),

    defineCommand({
      name: 'ignore-service',
      title: 'Ignore a service',
      summary: 'Keeps a service in the inventory, but neither watches nor heals it.',
      permission: 'operate',
      noAgents: true,
      input: reference,
      output: ServiceRow,
      cliArguments: ['id'],
      state: adoption,
      handle: async ({ id }, call) => await decide(id, 'ignored', call),
    }),
  ];
}

function row(resource: Resource, status: ServiceStatus | undefined): ServiceRow {
  const { supervisor, endpoints } = resource;
  const first = endpoints[0];
  return {
    id: resource.id,
    name: resource.name,
    product: resource.product,
    version: resource.version,
    state: seenState(resource, status),
    endpoint:
      first &&
      (first.protocol === 'unix'
        ? first.address
        : `${first.address.includes(':') ? `[${first.address}]` : first.address}:${first.port}`),
    confidence: resource.confidence,
    evidence: redact(resource.evidence),
    endpoints,
    supervisor: supervisor.kind,
    supervisorName:
      supervisor.kind === 'systemd'
        ? supervisor.unit
        : supervisor.kind === 'docker' || supervisor.kind === 'foreign'
          ? supervisor.name
          : undefined,
    owner: resource.owner,
    node: resource.node,
    labels: resource.labels,
    critical: resource.critical,
    adoption: resource.adoption,
    origin: resource.origin,
    present: resource.state === 'present',
    declared: resource.declared,
    published: resource.published,
    since: status?.since,
    firstSeen: resource.firstSeen,
    lastSeen: resource.lastSeen,
  };
}

function recipeRow({
  origin,
  shown,
  startedAt,
  capturedAt,
  variables,
  missing,
  problem,
}: KeptRecipe): z.input<typeof Recipe> {
  return {
    origin,
    arguments: shown.argv,
    folder: shown.cwd,
    user: `${shown.uid}:${shown.gid}`,
    startedAt,
    capturedAt,
    variables: [...variables],
    missing: [...missing],
    problem: problem && `${problem.message} ${problem.hint}`,
  };
}
