import type { FileProblem, ProxyRoute } from '../../core/declared.ts';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { EntryPoint } from './dynamic.ts';
import { partsOfRule } from './rules.ts';

const LABEL = /^traefik\.(http|tcp)\.(routers|services)\.([^.]+)\.(.+)$/i;

/** What containers ask of a Traefik that reads their labels: a way in to themselves. */
export function routesOfLabels(
  containers: readonly ContainerInfo[],
  entryPoints: ReadonlyMap<string, EntryPoint>,
  exposedByDefault: boolean,
): { readonly routes: ProxyRoute[]; readonly problems: FileProblem[] } {
  const routes: ProxyRoute[] = [];
  const problems: FileProblem[] = [];
  for (const container of containers) {
    const enabled = container.labels['traefik.enable'];
    if (enabled === 'false' || (enabled === undefined && !exposedByDefault)) continue;
    const members = new Map<string, Map<string, string>>();
    for (const [label, value] of Object.entries(container.labels)) {
      const [, kind = '', what = '', name = '', member = ''] = LABEL.exec(label) ?? [];
      if (kind === '') continue;
      const key = `${kind.toLowerCase()} ${what.toLowerCase()} ${name}`;
      members.set(key, (members.get(key) ?? new Map()).set(member.toLowerCase(), value));
    }
    const place = { file: `labels of ${container.name}`, line: 0 };
    for (const [key, router] of members) {
      const [kind = '', what, name = ''] = key.split(' ');
      const rule = router.get('rule');
      if (what !== 'routers' || rule === undefined) continue;
      const own = [...members.keys()].filter((other) => other.startsWith(`${kind} services `));
      const service = router.get('service') ?? (own.length === 1 ? own[0]?.split(' ')[2] : name);
      const written = members.get(`${kind} services ${service}`)?.get('loadbalancer.server.port');
      const port = Number(written ?? container.ports.find(({ protocol }) => protocol === 'tcp')?.container);
      if (!Number.isInteger(port)) {
        problems.push({ ...place, message: `${name} says no port, and the container has none` });
        continue;
      }
      const { hosts, paths, patterns } = partsOfRule(rule);
      if (patterns.length > 0)
        problems.push({ ...place, message: `the rule of ${name} asks for more than names: ${patterns.join(', ')}` });
      const named = (router.get('entrypoints') ?? '')
        .split(',')
        .flatMap((point) => entryPoints.get(point.trim()) ?? []);
      const points = named.length > 0 ? named : [...entryPoints.values()];
      const tls =
        [...router.keys()].some((member) => member === 'tls' || member.startsWith('tls.')) &&
        router.get('tls') !== 'false';
      for (const path of paths.length > 0 ? paths : [kind === 'tcp' ? '' : '/'])
        routes.push({
          hosts,
          path,
          tls: tls || (named.length > 0 && named.every((point) => point.tls)),
          ports: [...new Set(points.map((point) => point.port))],
          upstreams: [
            { scheme: kind === 'tcp' ? 'tcp' : 'http', address: container.name, port, container: container.id, place },
          ],
          place,
        });
    }
  }
  return { routes, problems };
}
