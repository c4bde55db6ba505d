import type { KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import { canonicalJson } from '../../core/json.ts';
import type { Resource, ResourceKind } from '../../core/resource.ts';

/** What a file lists: a tool server, a certificate. All of its resource but what the inventory gives it. */
export interface Listed {
  readonly identity: string;
  readonly name: string;
  readonly product: string;
  readonly owner?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly adoption?: Resource['adoption'];
  /** Where it is listed. */
  readonly detail: string;
}

/** Resources that exist because a file says so. The file is the whole truth: what it no longer names is gone at once. */
export function reconcileListed({
  node,
  now,
  kind,
  known,
  seen,
  newId,
}: {
  readonly node: string;
  readonly now: Date;
  readonly kind: ResourceKind;
  readonly known: readonly KnownResource[];
  readonly seen: readonly Listed[];
  readonly newId: () => string;
}): ResourceChange[] {
  const before = new Map(known.map((one) => [one.resource.identity, one]));
  const present = [...new Map(seen.map((one) => [one.identity, one])).values()].map((listed): ResourceChange => {
    const old = before.get(listed.identity);
    before.delete(listed.identity);
    const resource = resourceOf(listed, { kind, node, now, id: old?.resource.id ?? newId(), old: old?.resource });
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
  { identity, name, product, owner, labels, detail, adoption = 'adopted' }: Listed,
  given: { kind: ResourceKind; node: string; now: Date; id: string; old: Resource | undefined },
): Resource {
  return {
    id: given.id,
    kind: given.kind,
    identity,
    node: given.node,
    name,
    product,
    confidence: 1,
    evidence: [{ source: 'configuration', detail, weight: 1 }],
    endpoints: [],
    pids: [],
    supervisor: { kind: 'none' },
    ...(owner === undefined ? {} : { owner }),
    labels: { ...labels },
    critical: false,
    // Adoption belongs to people; it is given once.
    adoption: given.old?.adoption ?? adoption,
    origin: 'discovered',
    state: 'present',
    firstSeen: given.old?.firstSeen ?? given.now,
    lastSeen: given.now,
  };
}
