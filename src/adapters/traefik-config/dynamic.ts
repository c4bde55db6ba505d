import type { DeclaredCertificate, FileProblem, Place, ProxyRoute, Upstream } from '../../core/declared.ts';
import { addressOf } from '../config-files/address.ts';
import type { Tree } from '../config-files/tree.ts';
import { partsOfRule } from './rules.ts';

export interface EntryPoint {
  readonly port: number;
  readonly tls: boolean;
}

export interface Dynamic {
  readonly routes: readonly ProxyRoute[];
  readonly certificates: readonly DeclaredCertificate[];
  readonly problems: readonly FileProblem[];
}

const MOST_ROUTES = 5_000;
const DEEPEST = 4;

/** Routers and services of several files together: a router may name a service of another file. */
export function readDynamic(roots: readonly Tree[], entryPoints: ReadonlyMap<string, EntryPoint>): Dynamic {
  const routes: ProxyRoute[] = [];
  const problems: FileProblem[] = [];
  const certificates: DeclaredCertificate[] = [];
  const problem = (place: Place, message: string): void => void problems.push({ ...place, message });

  for (const kind of ['http', 'tcp'] as const) {
    const services = new Map(roots.flatMap((root) => root.get(kind).get('services').entries()));
    for (const root of roots) {
      for (const [name, router] of root.get(kind).get('routers').entries()) {
        if (routes.length >= MOST_ROUTES) break;
        const rule = router.get('rule').text ?? '';
        const wanted = (router.get('service').text ?? '').replace(/@file$/, '');
        const { hosts, paths, patterns } = partsOfRule(rule);
        if (patterns.length > 0)
          problem(router.get('rule').place, `the rule of ${name} asks for more than names: ${patterns.join(', ')}`);
        if (wanted.includes('@')) {
          if (!wanted.endsWith('@internal'))
            problem(router.place, `${name} leads to ${wanted}, which another provider knows`);
          continue;
        }
        const service = services.get(wanted);
        if (!service) {
          problem(router.place, `${name} leads to the service ${wanted || 'of no name'}, which no file has`);
          continue;
        }
        const upstreams = serversOf(service, services, kind, problem, 0);
        if (upstreams.length === 0) continue;
        const named = router
          .get('entryPoints')
          .texts()
          .flatMap(({ text }) => entryPoints.get(text) ?? []);
        const points = named.length > 0 ? named : [...entryPoints.values()];
        const tls = !router.get('tls').missing || (named.length > 0 && named.every((point) => point.tls));
        const ports = [...new Set(points.map(({ port }) => port))];
        for (const path of paths.length > 0 ? paths : [kind === 'tcp' ? '' : '/'])
          routes.push({ hosts, path, tls, ports, upstreams, place: router.place });
      }
    }
  }
  for (const root of roots) {
    for (const entry of root.get('tls').get('certificates').items()) {
      const file = entry.get('certFile');
      if (file.text?.startsWith('/')) certificates.push({ file: file.text, hosts: [], place: file.place });
    }
  }
  return { routes, certificates, problems };
}

function serversOf(
  service: Tree,
  services: ReadonlyMap<string, Tree>,
  kind: 'http' | 'tcp',
  problem: (place: Place, message: string) => void,
  depth: number,
): Upstream[] {
  const servers = service.get('loadBalancer').get('servers').items();
  const direct = servers.flatMap((server): Upstream[] => {
    const where = server.get(kind === 'http' ? 'url' : 'address');
    const upstream = upstreamAt(where.text ?? '', kind, where.missing ? server.place : where.place);
    if (!upstream) problem(server.place, 'a server names no address that can be read');
    return upstream ? [upstream] : [];
  });
  if (depth >= DEEPEST) return direct;
  const inner = [
    ...service
      .get('weighted')
      .get('services')
      .items()
      .map((each) => each.get('name').text),
    service.get('mirroring').get('service').text,
    service.get('failover').get('service').text,
    service.get('failover').get('fallback').text,
  ];
  return [
    ...direct,
    ...inner.flatMap((name) => {
      const other = name === undefined ? undefined : services.get(name.replace(/@file$/, ''));
      return other ? serversOf(other, services, kind, problem, depth + 1) : [];
    }),
  ];
}

export function upstreamAt(text: string, kind: 'http' | 'tcp', place: Place): Upstream | undefined {
  if (kind === 'tcp') {
    const address = addressOf(text);
    return address && { scheme: 'tcp', ...address, place };
  }
  const match = /^(https?|h2c):\/\/([^/?#]+)/i.exec(text);
  const scheme = match?.[1]?.toLowerCase() ?? '';
  const address = match && addressOf(match[2] ?? '', scheme === 'https' ? 443 : 80);
  return address ? { scheme, ...address, place } : undefined;
}
