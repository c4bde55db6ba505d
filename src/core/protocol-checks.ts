import { CheckTarget } from './check.ts';

const MAIL = new Set(['postfix', 'exim', 'opensmtpd', 'sendmail', 'haraka', 'maddy']);
const MAIL_PORTS = new Set([25, 465, 587, 2525]);
const NAMES = new Set(['dnsmasq', 'unbound', 'bind', 'coredns', 'powerdns', 'pdns', 'knot', 'nsd']);

interface Place {
  readonly host: string;
  readonly port: number;
  /** Whether the product listens on this port alone. */
  readonly only: boolean;
}

/** In which language a port is asked, where the product says it plainly. */
export function protocolTarget(product: string, { host, port, only }: Place): CheckTarget | undefined {
  if (MAIL.has(product) && MAIL_PORTS.has(port)) return mailTarget(host, port);
  // A name that most servers know by themselves; whatever the answer is, it is one.
  if (NAMES.has(product) && (port === 53 || only))
    return CheckTarget.parse({ kind: 'dns', name: 'localhost', server: host, port, acceptAnyAnswer: true });
  return undefined;
}

export function mailTarget(host: string, port: number): CheckTarget {
  // Found by its address, not by the name in its certificate.
  return CheckTarget.parse({ kind: 'smtp', host, port, tls: port === 465 ? 'implicit' : 'offered', insecure: true });
}

/**
 * What is asked beside HTTP itself: the days that the certificate has left, as a warning and never more, and which
 * models there are. No model is asked anything unless somebody wants that: it would be loaded into memory.
 */
export function besideWeb(product: string, scheme: 'http' | 'https', host: string, port: number): CheckTarget[] {
  const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return [
    ...(scheme === 'https'
      ? [CheckTarget.parse({ kind: 'tls', host, port, anyName: true, anyIssuer: true, warnOnly: true })]
      : []),
    ...(product === 'ollama'
      ? [CheckTarget.parse({ kind: 'models', url, answers: 'none', insecure: scheme === 'https' })]
      : []),
  ];
}
