import type { DeclaredCertificate, FileProblem, ProxyRoute, Upstream } from '../../core/declared.ts';
import { addressOf } from '../config-files/address.ts';
import type { Directive } from './tokens.ts';

export interface Routes {
  readonly routes: readonly ProxyRoute[];
  readonly certificates: readonly DeclaredCertificate[];
  readonly problems: readonly FileProblem[];
}

const PASSES = new Set(['proxy_pass', 'fastcgi_pass', 'grpc_pass', 'uwsgi_pass', 'scgi_pass']);
const BRANCHES = new Set(['location', 'if', 'limit_except']);
const MOST_ROUTES = 5_000;

interface Server {
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  readonly tls: boolean;
}

interface Inside {
  readonly server: Server;
  readonly pools: ReadonlyMap<string, readonly Upstream[]>;
  /** Of a stream: what is spoken is not known. */
  readonly plain: boolean;
}

/** What the servers of a configuration pass on, and to where. */
export function routesOf(directives: readonly Directive[]): Routes {
  const routes: ProxyRoute[] = [];
  const certificates: DeclaredCertificate[] = [];
  const problems: FileProblem[] = [];
  const problem = ({ file, line }: Directive, message: string): void => void problems.push({ file, line, message });

  for (const { name, block } of directives) {
    if ((name !== 'http' && name !== 'stream') || !block) continue;
    const pools = poolsOf(block, name);
    const shared = named(block, 'ssl_certificate');
    for (const server of named(block, 'server')) {
      if (!server.block) continue;
      const about = serverOf(server.block, name === 'http');
      const certified = named(server.block, 'ssl_certificate');
      for (const certificate of certified.length > 0 ? certified : about.tls ? shared : [])
        noteCertificate(certificate, about);
      walk(server.block, name === 'http' ? '/' : '', { server: about, pools, plain: name === 'stream' });
    }
  }

  function noteCertificate(directive: Directive, { hosts }: Server): void {
    const [file = ''] = directive.args;
    if (file.startsWith('data:') || file === '') return;
    if (file.includes('$')) problem(directive, `which certificate is served depends on ${variablesOf(file)}`);
    else certificates.push({ file, hosts, place: { file: directive.file, line: directive.line } });
  }

  function walk(block: readonly Directive[], path: string, inside: Inside): void {
    for (const directive of block) {
      const { name, args, file, line } = directive;
      const [target = ''] = args;
      if (BRANCHES.has(name) && directive.block) {
        walk(directive.block, name === 'location' ? pathOf(args) : path, inside);
      } else if (PASSES.has(name)) {
        if (routes.length >= MOST_ROUTES) return;
        const upstreams = upstreamsOf(directive, inside);
        if (typeof upstreams === 'string') problem(directive, upstreams);
        else routes.push({ ...inside.server, path, upstreams, place: { file, line } });
      } else if (name === 'server_name' && target.startsWith('~')) {
        problem(directive, 'names given as a pattern are not listed');
      }
    }
  }
  if (routes.length >= MOST_ROUTES)
    problems.push({ ...(routes[0]?.place ?? { file: '', line: 0 }), message: `only ${MOST_ROUTES} ways are kept` });
  return { routes, certificates, problems };
}

function named(block: readonly Directive[], name: string): Directive[] {
  return block.filter((directive) => directive.name === name);
}

function serverOf(block: readonly Directive[], http: boolean): Server {
  const listens = named(block, 'listen');
  const ports = listens.flatMap(({ args: [where = ''] }) => {
    if (where.startsWith('unix:')) return [];
    const port = /(?:^|:)(\d{1,5})$/.exec(where)?.[1];
    return port ? [Number(port)] : [80];
  });
  const tls =
    listens.some(({ args }) => args.includes('ssl') || args.includes('quic')) ||
    named(block, 'ssl').some(({ args }) => args[0] === 'on');
  const hosts = named(block, 'server_name')
    .flatMap(({ args }) => args)
    // '_' and the like are names that nobody asks for.
    .filter((name) => /^(\*\.|\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(\.\*)?$/i.test(name))
    .map((name) => (name.startsWith('.') ? `*${name}` : name));
  return { hosts: [...new Set(hosts)], ports: [...new Set(listens.length > 0 ? ports : http ? [80] : [])], tls };
}

/** `/api/`, `= /exact`, `^~ /x`; patterns and named places are no path that anyone could call. */
function pathOf(args: readonly string[]): string {
  const [first = '', second] = args;
  if (second === undefined) return first;
  return first === '=' || first === '^~' ? second : `~ ${second}`;
}

function poolsOf(block: readonly Directive[], context: 'http' | 'stream'): Map<string, readonly Upstream[]> {
  return new Map(
    named(block, 'upstream').map((pool) => [
      pool.args[0] ?? '',
      named(pool.block ?? [], 'server').flatMap(({ args: [where = '', ...options], file, line }): Upstream[] => {
        const address = addressOf(where, 80);
        if (!address || options.includes('down') || where.includes('$')) return [];
        return [{ scheme: context === 'http' ? 'http' : 'tcp', ...address, place: { file, line } }];
      }),
    ]),
  );
}

/** A sentence where it cannot be said. */
function upstreamsOf(
  { name, args: [target = ''], file, line }: Directive,
  { pools, plain }: Inside,
): readonly Upstream[] | string {
  const given = /^([a-z]+):\/\/(.*)$/i.exec(target);
  const spoken = given?.[1]?.toLowerCase() ?? (name === 'proxy_pass' ? 'http' : name.replace(/_pass$/, ''));
  const scheme = plain ? 'tcp' : spoken;
  // What stands behind the host is the path that it is rewritten to.
  const rest = given?.[2] ?? target;
  const authority = rest.startsWith('unix:') ? rest : (rest.split('/')[0] ?? '');
  if (authority.includes('$') || authority === '')
    return `where ${name} leads depends on ${variablesOf(target)}, which only the running nginx knows`;
  const pool = pools.get(authority);
  if (pool) return pool.map((upstream) => ({ ...upstream, scheme }));
  const address = addressOf(authority, plain ? undefined : scheme === 'https' || scheme === 'grpcs' ? 443 : 80);
  return address ? [{ scheme, ...address, place: { file, line } }] : `${name} names no address`;
}

function variablesOf(text: string): string {
  const names = [...text.matchAll(/\$\{?(\w{1,40})/g)].map(([, name]) => `$${name}`);
  return names.length > 0 ? [...new Set(names)].join(', ') : 'a variable';
}
