import { type AnyRecord, promises as dns } from 'node:dns';
import { isIP } from 'node:net';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import { endingResult, errorCode } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type DnsTarget = TargetOf<'dns'>;

/** What a server says where it has no such answer: it serves, even so. */
const ANSWERED_NO: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no such name',
  ENODATA: 'the name has no record of this type',
  EREFUSED: 'the server refuses the question',
  ESERVFAIL: 'the server failed to find the answer',
  ENOTIMP: 'the server does not know this kind of question',
  EFORMERR: 'the server does not understand the question',
};
const NO_ANSWER: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody answers there',
  ETIMEOUT: 'no answer in time',
  EBADRESP: 'the answer is no answer of a name server',
};
const SHOWN = 8;
const TRY_MS = 2_000;

/** One question to one server, by a resolver of its own: its sockets live as long as the question. */
export async function probeDns(target: DnsTarget, options: ProbeOptions): Promise<ProbeResult> {
  const startedAt = performance.now();
  const resolver = new dns.Resolver({ timeout: Math.min(TRY_MS, options.timeoutMs), tries: 1 });
  if (target.server !== undefined) {
    if (isIP(target.server) === 0)
      return saw('unknown', 'presence', `the server is to be given by its address, not as ${target.server}`, startedAt);
    resolver.setServers([
      isIP(target.server) === 6 ? `[${target.server}]:${target.port}` : `${target.server}:${target.port}`,
    ]);
  }
  return await new Promise((resolve) => {
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) => {
      resolver.cancel();
      resolve(endingResult(ending, options.timeoutMs, 'presence', startedAt, 'answer'));
    });
    askUntil(() => performance.now() - startedAt < options.timeoutMs, resolver, target).then(
      (values) => {
        clear();
        resolve(judge(target, values, startedAt, options));
      },
      (thrown: unknown) => {
        clear();
        resolve(failure(target, thrown, startedAt, options));
      },
    );
  });
}

function judge(target: DnsTarget, values: readonly string[], startedAt: number, options: ProbeOptions): ProbeResult {
  const answers = peerText(values.slice(0, SHOWN).join(', '));
  const normal = target.type === 'TXT' ? (text: string): string => text : plain;
  const found = new Set(values.map(normal));
  const missing = target.expect?.filter((value) => !found.has(normal(value))) ?? [];
  if (missing.length > 0)
    return saw(
      'down',
      'query',
      `${target.type} ${target.name} is ${answers || 'empty'}, expected ${missing.join(', ')}`,
      startedAt,
      { answers },
    );
  return answered('query', `${target.type} ${target.name} is ${answers}`, startedAt, options, { answers });
}

function failure(target: DnsTarget, thrown: unknown, startedAt: number, options: ProbeOptions): ProbeResult {
  const code = errorCode(thrown);
  const no = ANSWERED_NO[code];
  if (no && target.acceptAnyAnswer) return answered('handshake', `it answers: ${no}`, startedAt, options, { code });
  if (no) return saw('down', 'query', `${target.type} ${target.name}: ${no}`, startedAt, { code });
  const reason = NO_ANSWER[code] ?? (thrown instanceof Error ? thrown.message : String(thrown));
  return saw('down', 'presence', reason, startedAt, { code: code === 'ETIMEOUT' ? 'TIMEOUT' : code });
}

/** A datagram may be lost; it is sent again for as long as there is time. */
async function askUntil(inTime: () => boolean, resolver: dns.Resolver, target: DnsTarget): Promise<string[]> {
  for (;;) {
    try {
      return await ask(resolver, target);
    } catch (thrown) {
      if (errorCode(thrown) !== 'ETIMEOUT' || !inTime()) throw thrown;
    }
  }
}

async function ask(resolver: dns.Resolver, { name, type }: DnsTarget): Promise<string[]> {
  switch (type) {
    case 'A':
      return await resolver.resolve4(name);
    case 'AAAA':
      return await resolver.resolve6(name);
    case 'CNAME':
      return await resolver.resolveCname(name);
    case 'NS':
      return await resolver.resolveNs(name);
    case 'PTR':
      return isIP(name) > 0 ? await resolver.reverse(name) : await resolver.resolvePtr(name);
    case 'TXT':
      return (await resolver.resolveTxt(name)).map((parts) => parts.join(''));
    case 'MX':
      return (await resolver.resolveMx(name)).map(({ priority, exchange }) => `${priority} ${exchange}`);
    case 'SRV':
      return (await resolver.resolveSrv(name)).map((srv) => `${srv.priority} ${srv.weight} ${srv.port} ${srv.name}`);
    case 'CAA':
      return (await resolver.resolveCaa(name)).map(caaText);
    case 'SOA': {
      const { nsname, hostmaster, serial } = await resolver.resolveSoa(name);
      return [`${nsname} ${hostmaster} ${serial}`];
    }
  }
}

type Caa = Awaited<ReturnType<dns.Resolver['resolveCaa']>>[number];

function caaText({ critical, type: _type, ...properties }: Caa & Partial<Pick<AnyRecord, 'type'>>): string {
  const [tag, value] = Object.entries(properties)[0] ?? ['', ''];
  return `${critical} ${tag} ${String(value)}`;
}

/** Names end with a dot or not, and have no case. */
function plain(value: string): string {
  return value.toLowerCase().replace(/\.$/, '');
}
