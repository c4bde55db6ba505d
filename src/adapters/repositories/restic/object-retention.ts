import { createHash } from 'node:crypto';
import { StewardError } from '../../../core/errors.ts';
import type { OutboundResponse } from '../../outbound/outbound.ts';
import { type S3, textOf } from './s3-request.ts';

type Mode = 'COMPLIANCE' | 'GOVERNANCE';

/** What the bucket keeps of one object; 0 where nothing. */
interface Kept {
  readonly key: string;
  readonly mode: Mode | undefined;
  readonly until: number;
  /** Without it nothing there can be read. */
  readonly gone?: boolean | undefined;
}

/** Of all that whoever reads a repository needs, the one that is kept the shortest. */
export interface Retained {
  readonly least: Kept;
  /** Of all of it: how it can be broken. */
  readonly weakest: Mode;
  readonly all: readonly Kept[];
}

const AT_ONCE = 16;
const PAGE = 1_000;

/** The bucket said no: with what words. */
export class RetentionRefused extends Error {}

/**
 * What a bucket keeps of a repository, object by object. restic shares packs between copies and finds them by index files, and none
 * can be read without `config` and `keys/`: what is there, but for its locks, is what copies need, and what retention has removed
 * of it is there no more.
 */
export function createRetention(ask: S3, prefix: string) {
  const below = prefix === '' ? '' : `${prefix}/`;

  async function keys(signal: AbortSignal): Promise<string[]> {
    const found: string[] = [];
    for (let marker = ''; ;) {
      const query = { prefix: below, 'max-keys': String(PAGE), ...(marker !== '' && { marker }) };
      const { body } = fine(await ask({ query, signal }));
      const page = [...body.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => unescaped(key));
      found.push(...page.filter((key) => OF_RESTIC.test(key.slice(below.length))));
      const last = page.at(-1);
      if (last === undefined || textOf(body, 'IsTruncated') !== 'true') return found;
      marker = last;
    }
  }

  /** Undefined of one that went meanwhile. */
  async function keptOf(key: string, signal: AbortSignal): Promise<Kept | undefined> {
    const answer = await ask({ key, query: { retention: '' }, signal });
    if (answer.status === 404) return isGone(answer) ? undefined : { key, mode: undefined, until: 0 };
    const { body } = fine(answer);
    const mode = textOf(body, 'Mode');
    const until = Date.parse(textOf(body, 'RetainUntilDate') ?? '');
    if ((mode !== 'COMPLIANCE' && mode !== 'GOVERNANCE') || Number.isNaN(until))
      return { key, mode: undefined, until: 0 };
    return { key, mode, until };
  }

  async function put(key: string, mode: Mode, until: Date, signal: AbortSignal): Promise<void> {
    const body = `<Retention><Mode>${mode}</Mode><RetainUntilDate>${until.toISOString()}</RetainUntilDate></Retention>`;
    const headers = { 'content-md5': createHash('md5').update(body).digest('base64') };
    const answer = await ask({ method: 'PUT', key, query: { retention: '' }, headers, body, signal });
    if (!(answer.status === 404 && isGone(answer))) fine(answer);
  }

  return {
    /** Undefined where no repository is there yet, or any more. Throws RetentionRefused where it is not told. */
    async look(signal: AbortSignal): Promise<Retained | undefined> {
      const all: Kept[] = [];
      for await (const kept of each(await keys(signal), (key) => keptOf(key, signal))) if (kept) all.push(kept);
      const [first] = all;
      if (!first) return undefined;
      const config = `${below}config`;
      const isWhole = all.some(({ key }) => key === config);
      // While one is made, its keys are there before.
      if (!isWhole && !all.some(({ key }) => key.startsWith(`${below}snapshots/`))) return undefined;
      return {
        all,
        weakest: all.some(({ mode }) => mode === 'GOVERNANCE') ? 'GOVERNANCE' : 'COMPLIANCE',
        least: isWhole
          ? all.reduce((least, kept) => (kept.until < least.until ? kept : least))
          : { key: config, mode: undefined, until: 0, gone: true },
      };
    },
    /** Never to an earlier instant. What has a mode keeps it: another one takes the right to break the lock. Gives how many, and the first word of refusal. */
    async extend(all: readonly Kept[], to: { readonly mode: Mode; readonly until: Date }, signal: AbortSignal) {
      let [extended, tried, refused]: [number, number, string | undefined] = [0, 0, undefined];
      for await (const why of each(
        all.filter(({ until }) => until < to.until.getTime()),
        ({ key, mode }) => refusalOf(put(key, mode ?? to.mode, to.until, signal)),
      )) {
        tried += 1;
        if (why === undefined) extended += 1;
        else refused ??= why;
        // Who may not do it at all need not be told so for each of a hundred thousand. One that is refused keeps none of the others.
        if (extended === 0 && tried === AT_ONCE) break;
      }
      return { extended, refused };
    },
  };
}

async function refusalOf(work: Promise<void>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (thrown) {
    if (thrown instanceof RetentionRefused) return thrown.message;
    throw thrown;
  }
}

const OF_RESTIC = /^(?:config|(?:keys|snapshots|index|data)\/.+)$/;

const isGone = ({ body }: OutboundResponse): boolean => /^NoSuch(?:Key|Version)$/.test(textOf(body, 'Code') ?? '');

function fine(answer: OutboundResponse): OutboundResponse {
  const { status, body, url } = answer;
  if (status < 300) return answer;
  if (status >= 500 || status === 429)
    throw new StewardError('UNAVAILABLE', `${new URL(url).origin} answers ${status} when asked until when it locks.`);
  throw new RetentionRefused((textOf(body, 'Code') ?? `HTTP ${status}`).slice(0, 100));
}

/** Some at once, in whatever order they end; the first that fails ends it. */
async function* each<Item, Result>(
  items: readonly Item[],
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  for (let at = 0; at < items.length; at += AT_ONCE) yield* await Promise.all(items.slice(at, at + AT_ONCE).map(work));
}

const ENTITIES: Partial<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  '#39': "'",
  '#34': '"',
};
const unescaped = (xml: string): string =>
  xml.replaceAll(/&([a-z]+|#\d+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
