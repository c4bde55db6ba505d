import type { DeclaredCertificate, ProxyRoute, Upstream } from '../../core/declared.ts';
import type { Tree } from '../config-files/tree.ts';
import { upstreamsAt } from './routes.ts';

const DEEPEST = 16;
const MOST_ROUTES = 5_000;

/** What Caddy's own configuration says: the form that `caddy adapt` makes and that its admin address answers with. */
export function routesOfJson(root: Tree): {
  readonly routes: readonly ProxyRoute[];
  readonly certificates: readonly DeclaredCertificate[];
} {
  const routes: ProxyRoute[] = [];
  for (const [, server] of root.get('apps').get('http').get('servers').entries()) {
    const ports = server
      .get('listen')
      .texts()
      .flatMap(({ text }) => {
        const port = Number(/:(\d{1,5})$/.exec(text)?.[1]);
        return Number.isInteger(port) ? [port] : [];
      });
    const automatic = server.get('automatic_https').get('disable').text !== 'true';
    const policies = server.get('tls_connection_policies').items().length > 0;
    // Port 80 speaks in the clear; elsewhere names mean certificates.
    const tls = policies || (automatic && !ports.includes(80));
    walk(server.get('routes'), { hosts: [], paths: ['/'] }, ports, tls, 0);
  }
  const files = root.get('apps').get('tls').get('certificates').get('load_files').items();
  const certificates = files.flatMap((entry): DeclaredCertificate[] => {
    const file = entry.get('certificate').text;
    return file?.startsWith('/') ? [{ file, hosts: [], place: entry.place }] : [];
  });
  return { routes, certificates };

  function walk(
    list: Tree,
    inherited: { readonly hosts: readonly string[]; readonly paths: readonly string[] },
    ports: readonly number[],
    tls: boolean,
    depth: number,
  ): void {
    if (depth > DEEPEST) return;
    for (const route of list.items()) {
      const matches = route.get('match').items();
      const texts = (name: string): string[] =>
        matches.flatMap((match) =>
          match
            .get(name)
            .texts()
            .map(({ text }) => text),
        );
      const hosts = texts('host');
      const paths = texts('path').map((path) => path.replace(/\*$/, '') || '/');
      const inside = {
        hosts: hosts.length > 0 ? hosts : inherited.hosts,
        paths: paths.length > 0 ? paths : inherited.paths,
      };
      for (const handler of route.get('handle').items()) {
        const kind = handler.get('handler').text;
        if (kind === 'subroute') walk(handler.get('routes'), inside, ports, tls, depth + 1);
        if (kind !== 'reverse_proxy') continue;
        const transport = handler.get('transport');
        const scheme =
          transport.get('protocol').text === 'fastcgi' ? 'fastcgi' : transport.get('tls').missing ? 'http' : 'https';
        const upstreams = handler
          .get('upstreams')
          .items()
          .flatMap((upstream): Upstream[] => {
            const dial = upstream.get('dial').text ?? '';
            return dial.includes('{')
              ? []
              : upstreamsAt(dial, scheme).map((one) => ({ ...one, place: upstream.place }));
          });
        if (upstreams.length === 0) continue;
        for (const path of inside.paths)
          if (routes.length < MOST_ROUTES)
            routes.push({
              hosts: inside.hosts,
              path,
              tls: tls && (inside.hosts.length > 0 || ports.includes(443)),
              ports,
              upstreams,
              place: route.place,
            });
      }
    }
  }
}
