// What a request is for. One resource has one spelling here, and whoever is behind the gateway gets that one: what matched is
// what is asked for.

export interface Target {
  /** Begins with a slash; no dot segments, no empty segments, each escape that needs none undone, the others in upper case. */
  readonly path: string;
  /** With its question mark; empty where there is none. */
  readonly query: string;
  /** Where the target names a host itself. */
  readonly host: string | undefined;
}

const LONGEST = 8_192;
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i;
const AUTHORITY = /^[A-Za-z0-9._-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/;
/** What may stand in a path or query as it is; everything else is sent escaped. */
const PATH = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/|^[\]]|%[0-9A-Fa-f]{2})*$/;
const QUERY = /^(?:[\x21\x22\x24-\x7e])*$/;
const UNRESERVED = /[A-Za-z0-9\-._~]/;
/** A slash, a backslash, NUL and the other control characters, escaped once or more: one server's text is the next one's separator. */
const DECEPTIVE = /%(?:25)*(?:2f|5c|[01][0-9a-f]|7f)|%(?:25)+2e/i;

/** Nothing where it is not to be trusted: what two servers may read in two ways is refused, not repaired. */
export function readTarget(sent: string): Target | undefined {
  if (sent.length > LONGEST) return undefined;
  const absolute = ABSOLUTE.exec(sent);
  const authority = absolute?.[1];
  if (authority !== undefined && !AUTHORITY.test(authority)) return undefined;
  const rest = absolute ? (absolute[2] ?? '') : sent;
  const mark = rest.indexOf('?');
  const whole = mark < 0 ? rest : rest.slice(0, mark);
  const query = mark < 0 ? '' : rest.slice(mark);
  const path = absolute && whole === '' ? '/' : whole;
  if (!path.startsWith('/') || !PATH.test(path) || !QUERY.test(query) || DECEPTIVE.test(path)) return undefined;
  const segments = segmentsOf(path.includes('%') ? path.replace(/%../g, unescapedWhereItNeedsNone) : path);
  return segments === undefined ? undefined : { path: segments, query, host: authority };
}

function unescapedWhereItNeedsNone(escape: string): string {
  const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
  return UNRESERVED.test(character) ? character : escape.toUpperCase();
}

/** A matrix parameter after dots is a dot segment to some servers: /..;x/ too. */
const DOTS = /^\.{1,2}(?:(?:;|%3B).*)?$/;

function segmentsOf(path: string): string | undefined {
  if (!path.includes('//') && !path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.slice(1).split('/');
  for (const [at, segment] of segments.entries()) {
    const last = at === segments.length - 1;
    if (segment === '..') {
      // Above the root there is nothing that anybody could mean.
      if (kept.pop() === undefined) return undefined;
    } else if (segment !== '.' && DOTS.test(segment)) return undefined;
    else if (segment !== '.' && segment !== '') kept.push(segment);
    if (last && (segment === '' || segment === '.' || segment === '..')) kept.push('');
  }
  return `/${kept.join('/')}`.replace(/^\/+/, '/');
}

/**
 * The path as the most forgiving server would read it: every escape undone, in lower case, without parameters. Where it leads to
 * another route than the path itself, the two are told apart by nothing but spelling.
 */
export function forgivingly(path: string): string {
  return path
    .replace(/%../g, (escape) => String.fromCharCode(Number.parseInt(escape.slice(1), 16)))
    .toLowerCase()
    .replace(/;[^/]*/g, '')
    .replace(/\/{2,}/g, '/');
}

export function mayBeReadOtherwise(path: string): boolean {
  return /[A-Z%;]/.test(path);
}

const HOST = /^(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])$/;

/** In lower case, without port and without the dot of the root; nothing where it is no host. */
export function hostOf(text: string): string | undefined {
  const host = text
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '');
  return HOST.test(host) ? host : undefined;
}
