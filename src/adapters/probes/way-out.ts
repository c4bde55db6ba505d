import { lookup } from 'node:dns/promises';
import type { CheckTarget, Prober } from '../../core/check.ts';
import { classifyAddress } from '../outbound/address-class.ts';

const ASKED_FOR_MS = 3_000;
/** Many checks may fail in one moment. */
const VALID_FOR_MS = 2_000;
const NEVER = new AbortController().signal;

interface WayOutDeps {
  readonly prober: Pick<Prober, 'probe'>;
  /** host:port, beyond networks of one's own. */
  readonly references: () => readonly string[];
  readonly monotonic?: () => number;
}

/**
 * Whether the way from this machine to a target works. Known it is where reference points are named: one that answers shows that it
 * does. That none does says nothing of a target in a network of one's own, and what runs on this machine needs no way.
 */
export function createWayOut({ prober, references, monotonic = () => performance.now() }: WayOutDeps) {
  let latest: { readonly at: number; readonly answer: Promise<boolean> } | undefined;

  async function isOut(named: readonly string[]): Promise<boolean> {
    const answers = named.map(async (reference) => {
      const { host, port } = partsOf(reference);
      if ((await addressesOf(host)).some((address) => classifyAddress(address) === 'forbidden'))
        throw new Error('it is an address that nobody may ask');
      const { state } = await prober.probe(
        { kind: 'tcp', host, port },
        {
          timeoutMs: ASKED_FOR_MS,
          slowMs: ASKED_FOR_MS,
          signal: NEVER,
        },
      );
      if (state !== 'up' && state !== 'degraded') throw new Error('it does not answer');
    });
    return await Promise.any(answers).then(
      () => true,
      () => false,
    );
  }

  return async (target: CheckTarget): Promise<'open' | 'broken' | undefined> => {
    const where = await whereRuns(target);
    if (where === 'here') return 'open';
    const named = references();
    if (named.length === 0) return undefined;
    if (!latest || monotonic() - latest.at > VALID_FOR_MS) latest = { at: monotonic(), answer: isOut(named) };
    if (await latest.answer) return 'open';
    return where === 'inside' ? undefined : 'broken';
  };
}

/** Where an address is, as seen from this machine. */
export function whereIs(address: string): 'outside' | 'inside' | 'here' {
  const bare = address.replace(/^::ffff:/i, '');
  if (bare.startsWith('127.') || bare === '::1') return 'here';
  return classifyAddress(bare) === 'public' ? 'outside' : 'inside';
}

/** Of a name that cannot be found it is not known, and it may be anywhere. */
async function whereRuns(target: CheckTarget): Promise<'outside' | 'inside' | 'here'> {
  const host = target.kind === 'http' ? URL.parse(target.url)?.hostname : 'host' in target ? target.host : undefined;
  if (host === undefined) return 'outside';
  const places = (await addressesOf(host)).map(whereIs);
  if (places.length === 0 || places.includes('outside')) return 'outside';
  return places.every((place) => place === 'here') ? 'here' : 'inside';
}

async function addressesOf(host: string): Promise<string[]> {
  const found = await lookup(host.replace(/^\[(.*)\]$/, '$1'), { all: true }).catch(() => []);
  return found.map(({ address }) => address);
}

function partsOf(reference: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(reference) ?? [];
  return { host, port: Number(port) };
}
