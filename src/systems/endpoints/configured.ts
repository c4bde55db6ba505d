import { canonicalJson } from '../../core/json.ts';
import type { Log } from '../../core/log.ts';
import type { NodeRecord } from '../../core/node.ts';
import type { ConfiguredEndpoint } from './access.ts';
import { type Book, newEndpointId } from './book.ts';
import type { EndpointRow } from './tables.ts';

export type KnownNode = Pick<NodeRecord, 'id' | 'name' | 'state'>;

const FROM = 'steward.yaml';

/**
 * Brings what is on record in line with the configuration of this node, as far as it is this one that decides. Gives the names of those
 * that are on record as this node has them: the others it does not send to.
 */
export function createFollowConfiguration({
  book,
  configured,
  nodes,
  node,
  log,
}: {
  readonly book: Book;
  readonly configured: () => readonly ConfiguredEndpoint[];
  readonly nodes: () => Promise<readonly KnownNode[]>;
  readonly node: string;
  readonly log: Log;
}) {
  const complained = new Set<string>();

  function complain(name: string, what: string): void {
    if (!complained.has(name)) log.error(what, { name });
    complained.add(name);
  }

  /** Whether it is as this node has it. */
  async function follow(endpoint: ConfiguredEndpoint, row: EndpointRow, known: readonly KnownNode[]): Promise<boolean> {
    const { name, subscription, body } = endpoint;
    const wanted = { host: hostOf(endpoint.url), subscription, body };
    const same =
      canonicalJson({ host: row.host, subscription: row.subscription, body: row.body }) === canonicalJson(wanted);
    if (!row.nodes.includes(node)) await book.join(row.id);
    const decides = holdersOf({ nodes: [...row.nodes, node] }, known)[0];
    if (same || decides === undefined || decides.id === node) {
      if (!same) await book.change(row.id, wanted);
      complained.delete(name);
      return true;
    }
    complain(name, `endpoint of steward.yaml is another one on node ${decides.name}, and is as it is there`);
    return false;
  }

  return async (): Promise<ReadonlySet<string>> => {
    const rows = await book.all();
    const alone = rows.every((row) => row.nodes.every((id) => id === node));
    const known = alone ? [] : await nodes();
    const inForce = new Set<string>();
    for (const endpoint of configured()) {
      const { name, subscription, body } = endpoint;
      const row =
        rows.find((each) => each.name === name) ??
        (await book.add({
          id: newEndpointId(),
          name,
          origin: 'configured',
          sealed: null,
          key_id: null,
          host: hostOf(endpoint.url),
          subscription,
          body,
          nodes: [node],
          created_by: FROM,
        }));
      // Where another node was faster, its news wakes this one.
      if (!row) continue;
      if (row.origin === 'made') complain(name, 'endpoint of steward.yaml has the name of one that was made');
      else if (await follow(endpoint, row, known)) inForce.add(name);
    }
    const names = new Set(configured().map(({ name }) => name));
    const ids = known.map(({ id }) => id);
    for (const row of rows)
      if (
        row.origin === 'configured' &&
        !names.has(row.name) &&
        (row.nodes.includes(node) || !row.nodes.some((id) => ids.includes(id)))
      )
        await book.letGo(row.id, ids);
    return inForce;
  };
}

/** The nodes that have it in their configuration, and are present. */
export function holdersOf({ nodes }: Pick<EndpointRow, 'nodes'>, known: readonly KnownNode[]): KnownNode[] {
  return nodes.flatMap((id) => known.find((each) => each.id === id && each.state === 'alive') ?? []);
}

export function hostOf(url: ConfiguredEndpoint['url']): string {
  return typeof url === 'string' ? new URL(url).host : 'kept as a secret';
}
