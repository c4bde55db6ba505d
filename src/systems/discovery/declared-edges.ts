import type { Declarations, Place, ProxyRoute } from '../../core/declared.ts';
import { redactText } from '../../core/redact.ts';
import type { Edge, Published, Resource } from '../../core/resource.ts';
import type { ScanSource } from '../../core/scan.ts';
import type { Listed } from './listed.ts';
import { type Neighborhood, ownerOf, targetsOf } from './upstreams.ts';

/** What the files mean for what is known. */
export interface Meaning {
  readonly edges: readonly Edge[];
  /** By the id of the service. */
  readonly published: ReadonlyMap<string, readonly Published[]>;
  readonly sources: readonly ScanSource[];
}

const READ_BY_PROXY = 0.95;
/** Which proxy reads it is a guess by its name. */
const READ_BY_SOMEBODY = 0.5;
const MOST_PUBLISHED = 50;
const MOST_SHOWN = 50;
const MOST_NETWORK = 20;

export function meaningOf(declarations: Declarations, near: Neighborhood, at: Date): Meaning {
  const edges: Edge[] = [];
  const published = new Map<string, Map<string, Published>>();
  const sources: ScanSource[] = [];
  const add = (from: string, to: string, kind: Edge['kind'], detail: string, weight: number): void => {
    if (from === to) return;
    const shown = redactText(detail).slice(0, 300);
    const evidence = [{ source: kind === 'network' ? 'network' : 'configuration', detail: shown, weight } as const];
    edges.push({ from, to, kind, evidence, firstSeen: at, lastSeen: at });
  };

  for (const proxy of declarations.proxies) {
    const owner = ownerOf(proxy, near);
    const elsewhere = new Set<string>();
    for (const route of proxy.routes) {
      for (const upstream of route.upstreams) {
        const targets = targetsOf(upstream, proxy.owner, near);
        const where = upstream.port === undefined ? upstream.address : `${upstream.address}:${upstream.port}`;
        if (targets.length === 0) elsewhere.add(where);
        if (!owner) continue;
        for (const target of targets) {
          const weight = proxy.owner ? READ_BY_PROXY : READ_BY_SOMEBODY;
          add(
            owner.id,
            target,
            'configured',
            `${shownPlace(route.place)}: ${shownRoute(route)} is passed to ${where}`,
            weight,
          );
          if (target === owner.id) continue;
          const all = published.get(target) ?? new Map<string, Published>();
          for (const url of urlsOf(route))
            if (all.size < MOST_PUBLISHED) all.set(`${url} ${owner.name}`, { url, via: owner.name, ...route.place });
          published.set(target, all);
        }
      }
    }
    sources.push({
      kind: proxy.product,
      name: proxy.source,
      files: proxy.files.slice(0, MOST_SHOWN),
      ...(owner ? { owner: owner.name } : {}),
      entries: proxy.routes.length,
      elsewhere: [...elsewhere].slice(0, MOST_SHOWN),
      problems: proxy.problems.slice(0, MOST_SHOWN),
    });
  }
  for (const project of declarations.projects) {
    const ids = serviceIds(project.name, near.resources);
    const networks = new Map<string, { id: string; place: Place }[]>();
    for (const service of project.services) {
      const from = ids(service.name)[0];
      if (from === undefined) continue;
      for (const { service: needed, by, condition, place } of service.needs)
        for (const to of ids(needed))
          add(
            from,
            to,
            'configured',
            `${shownPlace(place)}: ${service.name} ${VERBS[by]} ${needed}${condition ? ` (${condition})` : ''}`,
            0.9,
          );
      for (const { name, place } of service.networks)
        networks.set(name, [...(networks.get(name) ?? []), { id: from, place }]);
    }
    for (const [name, members] of networks) {
      if (members.length > MOST_NETWORK) continue;
      for (const [index, one] of members.entries())
        for (const other of members.slice(index + 1)) {
          const [a = one, b = other] = [one, other].toSorted((x, y) => (x.id < y.id ? -1 : 1));
          add(a.id, b.id, 'network', `${shownPlace(other.place)}: both are in the network ${name}`, 0.3);
        }
    }
    sources.push({
      kind: 'compose',
      name: project.name,
      files: project.files.slice(0, MOST_SHOWN),
      entries: project.services.length,
      elsewhere: [],
      problems: project.problems.slice(0, MOST_SHOWN),
    });
  }
  return {
    edges,
    published: new Map(
      [...published].map(([id, all]) => [id, [...all.values()].toSorted((a, b) => (a.url < b.url ? -1 : 1))]),
    ),
    sources,
  };
}

const VERBS = {
  depends_on: 'depends_on',
  links: 'links to',
  network_mode: 'uses the network of',
  volumes_from: 'uses the volumes of',
} as const;

function serviceIds(project: string, resources: readonly Resource[]): (service: string) => string[] {
  const found = new Map<string, string[]>();
  for (const { id, identity, state } of resources) {
    const match = /^compose:(.+)\/([^/]+)\/\d+(?:#\d+)?$/.exec(identity);
    if (match?.[1] === project && match[2] !== undefined && state === 'present')
      found.set(match[2], [...(found.get(match[2]) ?? []), id]);
  }
  return (service) => found.get(service) ?? [];
}

export function shownPlace({ file, line }: Place): string {
  return line > 0 ? `${file}:${line}` : file;
}

function shownRoute(route: ProxyRoute): string {
  return urlsOf(route)[0] ?? 'what comes in';
}

function urlsOf({ hosts, path, tls, ports, upstreams }: ProxyRoute): string[] {
  const scheme = upstreams[0]?.scheme === 'tcp' ? 'tcp' : tls ? 'https' : 'http';
  const usual = { http: 80, https: 443, tcp: 0 }[scheme];
  const names = hosts.length > 0 ? hosts : ['*'];
  const taken = ports.length > 0 ? ports : [usual];
  return names.flatMap((host) =>
    taken.map((port) => `${scheme}://${host}${port === usual || port === 0 ? '' : `:${port}`}${path}`.slice(0, 300)),
  );
}

/** The certificates that proxies serve, as things of their own. */
export function listedCertificates(
  { proxies }: Pick<Declarations, 'proxies'>,
  near: Pick<Neighborhood, 'containers'>,
): Listed[] {
  const found = new Map<string, Listed & { readonly hosts: Set<string> }>();
  for (const { certificates, owner } of proxies) {
    const container = near.containers.find(({ id }) => id === owner?.container)?.name;
    for (const { file, hosts, place, read } of certificates) {
      const where = container === undefined ? file : `${container}:${file}`;
      const identity = `certificate:${where}`;
      const before = found.get(identity);
      for (const host of hosts) before?.hosts.add(host);
      if (before) continue;
      found.set(identity, {
        identity,
        name: identity,
        product: 'certificate',
        labels: {
          'certificate.file': where,
          ...(read
            ? {
                'certificate.subject': read.subject,
                'certificate.names': read.names.slice(0, 50).join(' '),
                'certificate.issuer': read.issuer,
                'certificate.expires': read.expires.toISOString(),
              }
            : { 'certificate.unreadable': 'true' }),
        },
        detail: `${shownPlace(place)} names it`,
        hosts: new Set(hosts),
      });
    }
  }
  return [...found.values()].map(({ hosts, ...listed }) => ({
    ...listed,
    labels: { ...listed.labels, ...(hosts.size > 0 ? { 'certificate.hosts': [...hosts].slice(0, 50).join(' ') } : {}) },
  }));
}
