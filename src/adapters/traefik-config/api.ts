import type { ProxyRoute } from '../../core/declared.ts';
import { plainTree } from '../config-files/tree.ts';
import { askJson } from '../recognize/ask-json.ts';
import { type EntryPoint, upstreamAt } from './dynamic.ts';
import { partsOfRule } from './rules.ts';

/** What the running Traefik answers about its routers, whoever told it of them. */
export async function routesOfApi(
  target: { readonly address: string; readonly port: number },
  entryPoints: ReadonlyMap<string, EntryPoint>,
  signal: AbortSignal,
): Promise<ProxyRoute[]> {
  const source = `http://${target.address}:${target.port}/api/http/routers`;
  const [routers, services] = await Promise.all(
    ['routers', 'services'].map(async (what) =>
      plainTree(await askJson(target, `/api/http/${what}?per_page=500`, signal), source),
    ),
  );
  const byName = new Map(services?.items().map((service) => [service.get('name').text ?? '', service]));
  return (routers?.items() ?? []).flatMap((router): ProxyRoute[] => {
    const provider = router.get('provider').text ?? '';
    const wanted = router.get('service').text ?? '';
    if (provider === 'internal' || wanted.endsWith('@internal')) return [];
    const service = byName.get(wanted.includes('@') ? wanted : `${wanted}@${provider}`);
    const upstreams = (service?.get('loadBalancer').get('servers').items() ?? []).flatMap(
      (server) => upstreamAt(server.get('url').text ?? '', 'http', server.place) ?? [],
    );
    if (upstreams.length === 0) return [];
    const { hosts, paths } = partsOfRule(router.get('rule').text ?? '');
    const points = router
      .get('entryPoints')
      .texts()
      .flatMap(({ text }) => entryPoints.get(text) ?? []);
    return (paths.length > 0 ? paths : ['/']).map((path) => ({
      hosts,
      path,
      tls: !router.get('tls').missing || (points.length > 0 && points.every(({ tls }) => tls)),
      ports: [...new Set(points.map(({ port }) => port))],
      upstreams,
      place: router.place,
    }));
  });
}
