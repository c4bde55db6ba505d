import { randomBytes } from 'node:crypto';
import type { DeclarationReader, Declarations } from '../../core/declared.ts';
import { StewardError } from '../../core/errors.ts';
import type { KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import type { ConfiguredMcpServer } from '../../core/recognizer.ts';
import type { Resource, ResourceKind } from '../../core/resource.ts';
import { listedCertificates, type Meaning } from './declared-edges.ts';
import { type Listed, reconcileListed } from './listed.ts';
import { listedMcpServers, MCP_KIND } from './mcp-servers.ts';
import type { Surroundings } from './observe.ts';
import { differences } from './reconcile.ts';

export const NOTHING_DECLARED: Declarations = { proxies: [], projects: [] };

/** What files say. What is broken inside one is a problem of its own; a reader that fails leaves the scan without it. */
export async function readDeclarations(
  reader: DeclarationReader | undefined,
  { processes, containers, listeners }: Surroundings,
  signal: AbortSignal,
  blind: Record<string, string>,
): Promise<Declarations> {
  if (!reader) return NOTHING_DECLARED;
  try {
    return await reader.read({ processes, containers, listeners, signal });
  } catch (thrown) {
    blind.files = StewardError.from(thrown).message;
    return NOTHING_DECLARED;
  }
}

/** Resources that exist because a file names them. */
export function listedChanges({
  mcpServers,
  services,
  declarations,
  surroundings,
  everything,
  node,
  now,
}: {
  readonly mcpServers: readonly ConfiguredMcpServer[];
  readonly services: readonly Resource[];
  readonly declarations: Declarations;
  readonly surroundings: Surroundings;
  readonly everything: readonly KnownResource[];
  readonly node: string;
  readonly now: Date;
}): ResourceChange[] {
  const lists: readonly { kind: ResourceKind; prefix: string; seen: readonly Listed[] }[] = [
    {
      kind: MCP_KIND,
      prefix: 'mcp',
      seen: listedMcpServers(mcpServers, { services, listeners: surroundings.listeners }),
    },
    { kind: 'certificate', prefix: 'crt', seen: listedCertificates(declarations, surroundings) },
  ];
  return lists.flatMap(({ kind, prefix, seen }) =>
    reconcileListed({
      node,
      now,
      kind,
      known: everything.filter(({ resource }) => resource.kind === kind),
      seen,
      newId: () => `${prefix}_${randomBytes(10).toString('hex')}`,
    }),
  );
}

/** The addresses that people use, as today's configuration of the proxies says. */
export function withPublished(changes: readonly ResourceChange[], published: Meaning['published']): ResourceChange[] {
  return changes.map((change) => {
    const { resource } = change.known;
    if (change.kind === 'gone' || change.kind === 'missing') return change;
    const { published: _, ...bare } = resource;
    const urls = published.get(resource.id);
    const next: Resource = urls && urls.length > 0 ? { ...bare, published: [...urls] } : bare;
    if (differences(resource, next).length === 0) return change;
    const kind = change.kind === 'seen' || change.kind === 'refreshed' ? 'changed' : change.kind;
    return { kind, known: { ...change.known, resource: next }, changed: [...change.changed, 'published'] };
  });
}
