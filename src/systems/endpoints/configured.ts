import { canonicalJson } from '../../core/json.ts';
import type { Log } from '../../core/log.ts';
import type { ConfiguredEndpoint } from './access.ts';
import { type Book, newEndpointId } from './book.ts';

const FROM = 'steward.yaml';

/** Brings what is on record in line with the configuration of this node. */
export function createFollowConfiguration({
  book,
  configured,
  node,
  now,
  log,
}: {
  readonly book: Book;
  readonly configured: () => readonly ConfiguredEndpoint[];
  readonly node: string;
  readonly now: () => Date;
  readonly log: Log;
}) {
  const complained = new Set<string>();

  return async (): Promise<void> => {
    const rows = await book.all();
    for (const endpoint of configured()) {
      const { name, subscription, body } = endpoint;
      const host = hostOf(endpoint.url);
      const row = rows.find((each) => each.name === name);
      if (!row) {
        const id = newEndpointId();
        const origin = 'configured';
        await book.add({ id, name, origin, sealed: null, key_id: null, host, subscription, body, created_by: FROM });
      } else if (row.origin === 'made') {
        if (!complained.has(name)) log.error('endpoint of steward.yaml has the name of one that was made', { name });
        complained.add(name);
      } else {
        const before = { host: row.host, subscription: row.subscription, body: row.body };
        if (canonicalJson(before) !== canonicalJson({ host, subscription, body }))
          await book.change(row.id, { host, subscription, body, node });
      }
    }
    const names = new Set(configured().map(({ name }) => name));
    for (const row of rows)
      if (row.origin === 'configured' && row.node === node && !names.has(row.name))
        await book.change(row.id, { removed_at: now() });
  };
}

export function hostOf(url: ConfiguredEndpoint['url']): string {
  return typeof url === 'string' ? new URL(url).host : 'kept as a secret';
}
