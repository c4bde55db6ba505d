import type { CheckTarget } from './check.ts';
import type { ConfiguredCheck } from './default-checks.ts';
import { parseDuration } from './duration.ts';
import * as network from './network-targets.ts';

export const ADDRESS_EXPECTED =
  'expected an address such as http://localhost:8080/health, tcp://localhost:6000, postgres://, mysql://, redis:// or smtp://';

/** Under these labels the inventory keeps what a container says of itself, once it is checked. */
export const CHECK_LABEL = 'steward.check.';
export const EVERY_LABEL = 'steward.every';

const MAX_ADDRESS = 500;
/** Of a host as it stands in a URL that was read. */
const IS_IP = /^[\d.]+$|:/;

/** What an address asks for in one word: its scheme says which check it is. A password has no place in it. */
export function checkAt(text: string): CheckTarget | undefined {
  const url = text.length > MAX_ADDRESS ? undefined : (URL.parse(text) ?? undefined);
  if (!url || url.password !== '' || url.hostname === '') return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const at = { host, ...(url.port !== '' && { port: Number(url.port) }) };
  const user = url.username === '' ? {} : { user: decodeURIComponent(url.username) };
  const parse = (): { success: boolean; data?: CheckTarget | undefined } => {
    switch (url.protocol) {
      case 'http:':
      case 'https:':
        // Found by its address, not by the name in its certificate.
        return network.HttpTarget.safeParse({
          kind: 'http',
          url: url.href,
          insecure: url.protocol === 'https:' && IS_IP.test(host),
        });
      case 'tcp:':
        return network.TcpTarget.safeParse({ kind: 'tcp', ...at });
      case 'postgres:':
      case 'postgresql:': {
        const database = url.pathname.slice(1);
        return network.PostgresTarget.safeParse({ kind: 'postgres', ...at, ...user, ...(database && { database }) });
      }
      case 'mysql:':
        return network.MysqlTarget.safeParse({ kind: 'mysql', ...at, ...user });
      case 'redis:':
        return network.RedisTarget.safeParse({ kind: 'redis', ...at, ...user });
      case 'smtp:':
        return network.SmtpTarget.safeParse({ kind: 'smtp', ...at });
      default:
        return { success: false };
    }
  };
  if (/^https?:$/.test(url.protocol) && url.username !== '') return undefined;
  const { success, data } = parse();
  return success ? data : undefined;
}

/** The checks that the labels of a resource ask for. */
export function checksFromLabels(labels: Readonly<Record<string, string>>): ConfiguredCheck[] {
  const told = labels[EVERY_LABEL];
  const every = told !== undefined && parseDuration(told) !== undefined ? told : undefined;
  return Object.entries(labels).flatMap(([label, address]) => {
    const target = label.startsWith(CHECK_LABEL) ? checkAt(address) : undefined;
    return target ? [{ ...target, ...(every !== undefined && { every }) }] : [];
  });
}
