import type { KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import type { Resource } from '../../core/resource.ts';

/** The machine that Steward runs on, as a resource like any other: watched, scored, healed. It is there as long as somebody looks. */
export function seeMachine(
  node: { readonly id: string; readonly name?: string | undefined },
  known: readonly KnownResource[],
  now: Date,
): ResourceChange {
  const old = known.find(({ resource }) => resource.kind === 'node')?.resource;
  const resource: Resource = {
    id: old?.id ?? node.id,
    kind: 'node',
    identity: `node:${node.id}`,
    node: node.id,
    name: node.name ?? node.id,
    product: 'machine',
    confidence: 1,
    evidence: [],
    endpoints: [],
    pids: [],
    supervisor: { kind: 'none' },
    labels: {},
    critical: false,
    adoption: 'adopted',
    origin: 'discovered',
    state: 'present',
    firstSeen: old?.firstSeen ?? now,
    lastSeen: now,
  };
  const next = { resource, trace: {}, missedScans: 0, missingSince: undefined };
  if (!old) return { kind: 'found', known: next, changed: [] };
  if (old.state === 'gone') return { kind: 'returned', known: next, changed: [] };
  return old.name === resource.name
    ? { kind: 'seen', known: next, changed: [] }
    : { kind: 'changed', known: next, changed: ['name'] };
}
