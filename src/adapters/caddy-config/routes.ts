import type { DeclaredCertificate, FileProblem, ProxyRoute, Upstream } from '../../core/declared.ts';
import { addressOf } from '../config-files/address.ts';
import type { LoadedCaddyfile } from './load.ts';
import type { Statement } from './statements.ts';

interface Site {
  readonly hosts: readonly string[];
  readonly ports: readonly number[];
  readonly tls: boolean;
}

interface Inside {
  readonly path: string;
  /** Paths of named matchers. */
  readonly matchers: ReadonlyMap<string, readonly string[]>;
  readonly sites: readonly Site[];
}

const BRANCHES = new Set(['handle', 'handle_path', 'route', 'handle_errors', 'handle_response']);
const MOST_PORTS = 100;
const MOST_ROUTES = 5_000;

export function routesOfCaddyfile({ sites, options, problems: before }: LoadedCaddyfile): {
  readonly routes: readonly ProxyRoute[];
  readonly certificates: readonly DeclaredCertificate[];
  readonly problems: readonly FileProblem[];
} {
  const routes: ProxyRoute[] = [];
  const certificates: DeclaredCertificate[] = [];
  const problems = [...before];
  const problem = ({ file, line }: Statement, message: string): void => void problems.push({ file, line, message });
  const option = (name: string): string | undefined => options.find(({ words }) => words[0] === name)?.words[1];
  const usual = { http: Number(option('http_port') ?? 80), https: Number(option('https_port') ?? 443) };
  const secure = option('auto_https') !== 'off';

  for (const { addresses, statement } of sites) {
    const known = sitesOf(addresses, usual, secure);
    if (known.unknown.length > 0)
      problem(statement, `an address depends on ${known.unknown.join(', ')}, which only the running Caddy knows`);
    walk(statement.block ?? [], { path: '/', matchers: matchersOf(statement.block ?? []), sites: known.sites });
  }

  function walk(block: readonly Statement[], inside: Inside): void {
    for (const statement of block) {
      const [name = '', ...args] = statement.words;
      if (BRANCHES.has(name) && statement.block) {
        const paths = matched(args[0], inside);
        const matchers = new Map([...inside.matchers, ...matchersOf(statement.block)]);
        for (const path of paths?.length ? paths : [inside.path]) walk(statement.block, { ...inside, matchers, path });
      } else if (name === 'reverse_proxy' || name === 'php_fastcgi' || name === 'forward_auth') {
        pass(statement, name, args, inside);
      } else if (name === 'tls' && args[0]?.startsWith('/') && args[1] !== undefined) {
        const hosts = inside.sites.flatMap((site) => site.hosts);
        certificates.push({ file: args[0], hosts, place: { file: statement.file, line: statement.line } });
      }
    }
  }

  function pass(statement: Statement, name: string, args: readonly string[], inside: Inside): void {
    const paths = matched(args[0], inside);
    const written = [
      ...(paths ? args.slice(1) : args),
      ...(statement.block ?? []).filter(({ words }) => words[0] === 'to').flatMap(({ words }) => words.slice(1)),
    ];
    if (statement.block?.some(({ words }) => words[0] === 'dynamic'))
      problem(statement, 'where it leads is looked up while Caddy runs');
    const upstreams = written.flatMap((text): Upstream[] => {
      if (text.includes('{')) {
        problem(statement, `where ${name} leads depends on a placeholder, which only the running Caddy knows`);
        return [];
      }
      const found = upstreamsAt(text, name === 'php_fastcgi' ? 'fastcgi' : 'http');
      if (found.length === 0) problem(statement, `${name} names an address that cannot be read`);
      return found.map((one) => ({ ...one, place: { file: statement.file, line: statement.line } }));
    });
    if (upstreams.length === 0) return;
    for (const site of inside.sites)
      for (const path of paths?.length ? paths : [inside.path])
        if (routes.length < MOST_ROUTES)
          routes.push({ ...site, path, upstreams, place: { file: statement.file, line: statement.line } });
  }
  return { routes, certificates, problems };
}

/** The paths of a matcher, none where it is not about paths; undefined where the word is no matcher. */
function matched(word: string | undefined, { matchers }: Inside): readonly string[] | undefined {
  if (word === '*') return [];
  if (word?.startsWith('/')) return [shownPath(word)];
  return word?.startsWith('@') ? (matchers.get(word) ?? []) : undefined;
}

function matchersOf(block: readonly Statement[]): Map<string, readonly string[]> {
  return new Map(
    block
      .filter(({ words: [name = ''] }) => name.startsWith('@'))
      .map(({ words: [name = '', ...rest], block: inner }) => {
        const lines = rest.length > 0 ? [rest] : (inner ?? []).map(({ words }) => words);
        const paths = lines.filter(([what]) => what === 'path').flatMap(([, ...values]) => values.map(shownPath));
        return [name, paths];
      }),
  );
}

function shownPath(pattern: string): string {
  return pattern.replace(/\*$/, '') || '/';
}

function sitesOf(
  addresses: readonly string[],
  usual: { readonly http: number; readonly https: number },
  secure: boolean,
): { readonly sites: Site[]; readonly unknown: string[] } {
  const sites = new Map<string, { hosts: string[]; ports: number[]; tls: boolean }>();
  const unknown: string[] = [];
  for (const address of addresses) {
    if (address.includes('{')) {
      unknown.push(/\{[^}]{1,60}\}?/.exec(address)?.[0] ?? address.slice(0, 60));
      continue;
    }
    const match = /^(?:(https?):\/\/)?(\[[0-9a-f:]+\]|[^:/]*)(?::(\d{1,5}))?(?:\/.*)?$/i.exec(address);
    if (!match) continue;
    const [, scheme, host = '', written] = match;
    const port = written === undefined ? undefined : Number(written);
    const tls =
      scheme === 'https' ||
      (scheme === undefined &&
        (port === undefined
          ? host !== '' && secure
          : port === usual.https || (host !== '' && port !== usual.http && secure)));
    const key = `${tls} ${port ?? ''}`;
    const site = sites.get(key) ?? { hosts: [], ports: [port ?? (tls ? usual.https : usual.http)], tls };
    if (host !== '') site.hosts.push(host);
    sites.set(key, site);
  }
  return { sites: [...sites.values()], unknown };
}

/** `127.0.0.1:3000`, `:3000`, `https://x`, `unix//run/a.sock`, `localhost:8001-8003`. */
export function upstreamsAt(text: string, plain: string): Omit<Upstream, 'place'>[] {
  if (text.startsWith('unix/')) {
    const address = addressOf(text);
    return address ? [{ scheme: plain, ...address }] : [];
  }
  const match = /^(?:([a-z0-9+]+):\/\/)?(.*)$/i.exec(text);
  const scheme = match?.[1]?.toLowerCase() ?? plain;
  if (scheme.includes('+')) return [];
  const authority = (match?.[2] ?? '').split('/')[0] ?? '';
  const range = /^(.*):(\d{1,5})-(\d{1,5})$/.exec(authority);
  const host = (name: string): string => (name === '' ? 'localhost' : name);
  if (range) {
    const [, name = '', from, to] = range;
    const count = Math.min(MOST_PORTS, Number(to) - Number(from) + 1);
    return Array.from({ length: Math.max(0, count) }, (_, index) => ({
      scheme,
      address: host(name),
      port: Number(from) + index,
    }));
  }
  const address = addressOf(
    authority.startsWith(':') ? `localhost${authority}` : authority,
    scheme === 'https' ? 443 : 80,
  );
  return address ? [{ scheme, ...address }] : [];
}
