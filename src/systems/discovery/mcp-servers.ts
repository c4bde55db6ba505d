import type { KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import { canonicalJson } from '../../core/json.ts';
import type { ConfiguredMcpServer } from '../../core/recognizer.ts';
import type { Resource } from '../../core/resource.ts';

export const MCP_KIND = 'mcp-server' satisfies Resource['kind'];

/**
 * What the files that name tool servers mean for the inventory. A file is the whole truth: what it no longer names is
 * gone at once. Their names carry their user's, or a service of the same name could no longer be called by it.
 */
export function reconcileMcpServers({
  node,
  now,
  known,
  seen,
  newId,
}: {
  readonly node: string;
  readonly now: Date;
  readonly known: readonly KnownResource[];
  readonly seen: readonly ConfiguredMcpServer[];
  readonly newId: () => string;
}): ResourceChange[] {
  const before = new Map(known.map((one) => [one.resource.identity, one]));
  const present = seen.map((server): ResourceChange => {
    const identity = `mcp:${server.file}#${server.name}`;
    const old = before.get(identity);
    before.delete(identity);
    const resource = resourceOf(server, { identity, node, now, id: old?.resource.id ?? newId(), old: old?.resource });
    const next = { resource, trace: {}, missedScans: 0, missingSince: undefined };
    if (!old) return { kind: 'found', known: next, changed: [] };
    if (old.resource.state === 'gone') return { kind: 'returned', known: next, changed: [] };
    const same = canonicalJson(old.resource.labels) === canonicalJson(resource.labels);
    return same ? { kind: 'seen', known: next, changed: [] } : { kind: 'changed', known: next, changed: ['labels'] };
  });
  const gone = [...before.values()]
    .filter(({ resource }) => resource.state === 'present')
    .map((one): ResourceChange => ({
      kind: 'gone',
      known: { ...one, resource: { ...one.resource, state: 'gone', goneSince: now } },
      changed: ['state'],
    }));
  return [...present, ...gone];
}

function resourceOf(
  { name, transport, program, address, user, file }: ConfiguredMcpServer,
  given: { identity: string; node: string; now: Date; id: string; old: Resource | undefined },
): Resource {
  return {
    id: given.id,
    kind: MCP_KIND,
    identity: given.identity,
    node: given.node,
    name: `mcp/${name}@${user}`,
    product: 'mcp-server',
    confidence: 1,
    evidence: [{ source: 'configuration', detail: `${file} names it`, weight: 1 }],
    endpoints: [],
    pids: [],
    supervisor: { kind: 'none' },
    owner: user,
    labels: {
      'mcp.name': name,
      'mcp.transport': transport,
      ...(program === undefined ? {} : { 'mcp.program': program }),
      ...(address === undefined ? {} : { 'mcp.address': address }),
      'mcp.file': file,
    },
    critical: false,
    adoption: 'adopted',
    origin: 'discovered',
    state: 'present',
    firstSeen: given.old?.firstSeen ?? given.now,
    lastSeen: given.now,
  };
}
