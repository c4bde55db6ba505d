// What becomes of a request to the webhook receiver: nothing here reads a clock, a socket or a disk.
import { covers } from '../addresses.ts';
import type { Digests } from '../digests.ts';
import type { Counters } from '../gateway/counters.ts';
import { asUuid, utf8 } from '../encodings.ts';
import type { Counted } from './counted.ts';
import { contentOf, type Content, mediaTypeOf } from './content.ts';
import { type Headers, presetOf } from './presets.ts';
import type { KeyPlace, ReadyType } from './types.ts';

export interface Arrival {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly headers: Headers;
  /** Of who connected, or of who a trusted proxy says it was. */
  readonly address: string;
}

export type RefusalCode =
  | 'method'
  | 'path'
  | 'no-secret'
  | 'incomplete'
  | 'address'
  | 'media-type'
  | 'too-large'
  | 'signature'
  | 'time'
  | 'body'
  | 'rate'
  | 'schema';

export interface Refused {
  readonly is: 'refused';
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 429 | 503;
  /** For the log of the operator, who may know more than the sender is told. */
  readonly code: RefusalCode;
  readonly message: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Accepted {
  readonly is: 'accepted';
  readonly id: string;
  readonly type: string;
  /** The media type that the body is in. */
  readonly content: Content['is'];
  /** What the sender calls it. */
  readonly senderId: string | undefined;
  readonly source: string;
  /** What it is about, where its type has an order. */
  readonly key?: string;
  /** Why nobody is to be told of it, though it is kept. */
  readonly problem?: string;
}

/** The service asks who listens here, and wants this at once. Nothing is kept. */
export interface Answered {
  readonly is: 'answered';
  readonly body: Readonly<Record<string, string>>;
}

export type Verdict = Accepted | Answered | Refused;

export interface Means {
  readonly digests: Digests;
  /** Unix milliseconds. */
  readonly now: number;
  readonly newId: () => string;
  /** Without them nothing is limited. */
  readonly counters?: Counters | undefined;
  /** Without it a repeat counts once more. */
  readonly counted?: Counted | undefined;
}

export type TypesByName = (name: string) => ReadyType | undefined;

const SEGMENT = /^\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})\/?$/;
const LONGEST_ID = 255;
/** Whoever sends more does not say more. */
export const LONGEST_SOURCE = 1_000;

/** What can be said before the body is read: so that nobody sends megabytes for nothing. */
export function judgeHead(
  arrival: Arrival,
  types: TypesByName,
): Refused | { readonly is: 'awaited'; name: string; ready: ReadyType } {
  const { method, path, headers, address } = arrival;
  if (method !== 'POST') return refused(405, 'method', 'Method not allowed', { allow: 'POST' });
  const name = SEGMENT.exec(path)?.[1];
  if (name === undefined) return refused(404, 'path', 'The path is one segment, the type of the webhook: /bank.');
  const ready = types(name);
  if (ready?.type.incomplete && ready.secrets.length === 0) return incomplete();
  // Which types there are is nobody's business: without a secret it is as if the signature were wrong.
  if (!ready || ready.secrets.length === 0) return refused(401, 'no-secret', UNSIGNED);
  if (ready.allowFrom && !covers(ready.allowFrom, address))
    return refused(403, 'address', 'This address may not send here.');
  const media = mediaTypeOf(headers, presetOf(ready.type.preset).forms);
  if (media === undefined)
    return refused(415, 'media-type', 'Send JSON in UTF-8, uncompressed, with content-type: application/json.');
  if (Number(headers('content-length') ?? 0) > ready.type.maxBytes) return tooLarge(ready);
  return { is: 'awaited', name, ready };
}

export function tooLarge({ type }: ReadyType): Refused {
  return refused(413, 'too-large', `At most ${type.maxBytes} bytes are taken.`);
}

/** Senders take a 401 as final. */
export function incomplete(): Refused {
  return refused(503, 'incomplete', 'This cannot be judged now, so it was not taken: send it again.', {
    'retry-after': '30',
  });
}

/** The whole verdict. The signature is looked at before anything in the body is. */
export async function judge(arrival: Arrival, body: Uint8Array, types: TypesByName, means: Means): Promise<Verdict> {
  const head = judgeHead(arrival, types);
  return head.is === 'refused' ? head : await judgeBody(arrival, body, head, means);
}

export async function judgeBody(
  { headers }: Arrival,
  body: Uint8Array,
  { name, ready }: { readonly name: string; readonly ready: ReadyType },
  { digests, now, newId, counters, counted }: Means,
): Promise<Accepted | Answered | Refused> {
  if (body.length > ready.type.maxBytes) return tooLarge(ready);
  const preset = presetOf(ready.type.preset);
  const claim = preset.claim(headers, body);
  let genuine = false;
  /** What was signed, where that says when. */
  let ofOneMoment: readonly Uint8Array[] | undefined;
  for (const { key, token } of ready.secrets) {
    const candidate = token(headers);
    if (candidate !== undefined) genuine ||= await key.is(utf8.encode(candidate));
    else if (claim) for (const signature of claim.signatures) genuine ||= await key.signed(claim.parts, signature);
    if (genuine) {
      // Only who knows the secret learns that the clocks differ.
      const stale = candidate === undefined && claim?.at !== undefined && isFar(claim.at, now, ready);
      if (stale) return refused(401, 'time', 'The signature is from another time: too old, or the clocks differ.');
      if (candidate === undefined && claim?.at !== undefined) ofOneMoment = claim.parts;
      break;
    }
  }
  if (!genuine) return ready.type.incomplete ? incomplete() : refused(401, 'signature', UNSIGNED);

  const content = contentOf(headers, body, preset.forms);
  if (!content) return refused(400, 'body', 'The body is not JSON in UTF-8.');
  const answer = preset.answer?.(content.data);
  if (answer) return { is: 'answered', body: answer };

  const senderId = preset.id(headers, content.data);
  if (senderId !== undefined && senderId.length > LONGEST_ID)
    return refused(400, 'body', `The id of a delivery has at most ${LONGEST_ID} characters.`);
  // What its sender gives no id is known by the moment at which it was signed: who saw it can send it again, but no other.
  const same = ready.type.repeats === 'body' ? [body] : senderId === undefined ? ofOneMoment : [utf8.encode(senderId)];
  // A repeat gets the id of the first one, so that it can be kept once by its id alone.
  const id = same ? asUuid(await digests.sha256([utf8.encode(`${name}\n`), ...same])) : newId();
  // After the signature, so that nobody but the sender uses its allowance up.
  const admitted = await admit(content.data, { name, ready, id: same && id }, { now, counters, counted });
  if (admitted.is === 'refused') return admitted;
  const place = ready.type.key;
  const key = place && keyAt(place, headers, content.data);
  return {
    is: 'accepted',
    id,
    type: name,
    content: content.is,
    senderId,
    source: headers('user-agent')?.slice(0, LONGEST_SOURCE) ?? '',
    ...(key !== undefined && { key }),
    ...(admitted.problem !== undefined && { problem: admitted.problem }),
  };
}

export interface Admitted extends Pick<Accepted, 'problem'> {
  readonly is: 'admitted';
}

interface Admissible {
  readonly name: string;
  readonly ready: Pick<ReadyType, 'type' | 'check'>;
  /** The same when it is sent once more; nothing where that is not known. */
  readonly id?: string | undefined;
}

/** What a type says about what was sent, whoever vouches for the sender: how often, and what it looks like. */
export async function admit(
  data: unknown,
  { name, ready: { type, check }, id }: Admissible,
  { now, counters, counted }: Pick<Means, 'now' | 'counters' | 'counted'>,
): Promise<Admitted | Refused> {
  const { limit, schema } = type;
  const once = limit && id !== undefined ? { key: name, id, windowMs: limit.perMs, now } : undefined;
  const isCounted = once !== undefined && counted?.has(once) === true;
  const count =
    limit && !isCounted
      ? await counters?.take({ key: name, limit: limit.requests, windowMs: limit.perMs, now })
      : undefined;
  if (limit && count && !count.allowed)
    return refused(429, 'rate', `At most ${limit.requests} in ${limit.perMs / 1000} seconds are taken.`, {
      'retry-after': String(Math.max(1, Math.ceil(count.resetMs / 1000))),
    });
  if (once && count) counted?.add(once);
  const wrong = check?.(data);
  if (wrong === undefined) return { is: 'admitted' };
  if (schema?.mismatch === 'refuse')
    return refused(400, 'schema', `The body does not fit the schema of ${name}: ${wrong}`);
  return { is: 'admitted', problem: `It does not fit the schema: ${wrong}` };
}

const LONGEST_KEY = 255;

/** Where there is none, it has no order; a long one is cut, so that those that share it wait for each other needlessly. */
export function keyAt(place: KeyPlace, headers: Headers, data: unknown): string | undefined {
  const value = 'header' in place ? headers(place.header.toLowerCase()) : memberAt(data, place.path.split('.'));
  if (typeof value === 'string') return value.slice(0, LONGEST_KEY);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function memberAt(data: unknown, path: readonly string[]): unknown {
  return path.reduce(
    (value, name) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined,
    data,
  );
}

const UNSIGNED = 'The signature is missing or wrong.';

function isFar(seconds: number, now: number, { type }: ReadyType): boolean {
  return Math.abs(now / 1000 - seconds) > type.toleranceSeconds;
}

function refused(
  status: Refused['status'],
  code: RefusalCode,
  message: string,
  headers: Refused['headers'] = {},
): Refused {
  return { is: 'refused', status, code, message, headers };
}
