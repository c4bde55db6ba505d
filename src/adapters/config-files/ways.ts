import type { ProxyRoute } from '../../core/declared.ts';

/** What a route lets in and where it ends, so that two descriptions of one way can be told from two ways. */
export function waysOf({ hosts, path, upstreams }: ProxyRoute): string[] {
  const ends = upstreams.map(({ address, port }) => `${address} ${port ?? ''}`);
  return (hosts.length > 0 ? hosts : ['*']).flatMap((host) => ends.map((end) => `${host} ${path} ${end}`));
}
