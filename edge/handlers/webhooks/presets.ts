// How each service signs what it sends: which header carries the signature, over what, and which one names the delivery.
import { base64, base64Digest, hexDigest, utf8 } from '../encodings.ts';

/** One header by its name in lower case. */
export type Headers = (name: string) => string | undefined;

/** What has to be compared with each secret. */
export interface Claim {
  /** Any one of them suffices: a sender that rotates its secret signs with both. */
  readonly signatures: readonly Uint8Array[];
  readonly parts: readonly Uint8Array[];
  /** Unix seconds, where the signature covers a time. */
  readonly at?: number;
}

export interface Preset {
  /** Bytes of the key that a secret stands for. */
  readonly secret: (text: string) => Uint8Array;
  /** Nothing where the headers are missing or malformed. */
  readonly claim: (headers: Headers, body: Uint8Array) => Claim | undefined;
  /** What the sender calls this delivery, in a header or in what it sent; a repeat carries the same. */
  readonly id: (headers: Headers, data: unknown) => string | undefined;
  /** It sends forms too. */
  readonly forms: boolean;
  /** This secret signs nothing: it stands itself in the header, and this is what stands there. */
  readonly token?: (secret: string, headers: Headers) => string | undefined;
  /** What the service wants to hear at once when it asks who listens here. */
  readonly answer?: (data: unknown) => Readonly<Record<string, string>> | undefined;
}

const text = (secret: string): Uint8Array => utf8.encode(secret);
const SECONDS = /^[1-9]\d{0,11}$/;

const standardSecret = (secret: string): Uint8Array =>
  (secret.startsWith('whsec_') ? base64(secret.slice('whsec_'.length)) : undefined) ?? text(secret);

const standardClaim: Preset['claim'] = (headers, body) => {
  const [id, at, header] = [headers('webhook-id'), headers('webhook-timestamp'), headers('webhook-signature')];
  if (id === undefined || id === '' || at === undefined || !SECONDS.test(at) || header === undefined) return undefined;
  const signatures = header
    .split(' ')
    .flatMap((one) => (one.startsWith('v1,') ? [base64Digest(one.slice('v1,'.length))] : []));
  return { signatures: signatures.filter(known), parts: [utf8.encode(`${id}.${at}.`), body], at: Number(at) };
};

const PRESETS = {
  steward: {
    secret: text,
    claim: (headers, body) => single(base64Digest(headers('x-webhook-signature') ?? ''), [body]),
    id: (headers) => headers('x-webhook-id') ?? headers('idempotency-key'),
    forms: false,
  },
  github: {
    secret: text,
    claim: (headers, body) => {
      const header = headers('x-hub-signature-256') ?? '';
      return single(header.startsWith('sha256=') ? hexDigest(header.slice('sha256='.length)) : undefined, [body]);
    },
    id: (headers) => headers('x-github-delivery'),
    forms: true,
  },
  gitlab: {
    secret: standardSecret,
    claim: standardClaim,
    id: (headers) => headers('webhook-id') ?? headers('idempotency-key'),
    forms: false,
    token: (secret, headers) => (secret.startsWith('whsec_') ? undefined : (headers('x-gitlab-token') ?? '')),
  },
  stripe: {
    secret: text,
    claim: (headers, body) => {
      const fields = (headers('stripe-signature') ?? '').split(',');
      if (!fields.every((field) => field.includes('='))) return undefined;
      const times = fields.filter((field) => field.startsWith('t='));
      const at = times[0]?.slice('t='.length) ?? '';
      if (times.length !== 1 || !SECONDS.test(at)) return undefined;
      const signatures = fields.flatMap((field) => (field.startsWith('v1=') ? [hexDigest(field.slice(3))] : []));
      return { signatures: signatures.filter(known), parts: [utf8.encode(`${at}.`), body], at: Number(at) };
    },
    id: (_headers, data) => member(data, 'id'),
    forms: false,
  },
  slack: {
    secret: text,
    claim: (headers, body) => {
      const [at, header] = [headers('x-slack-request-timestamp') ?? '', headers('x-slack-signature') ?? ''];
      if (!SECONDS.test(at) || !header.startsWith('v0=')) return undefined;
      return single(hexDigest(header.slice('v0='.length)), [utf8.encode(`v0:${at}:`), body], Number(at));
    },
    id: (_headers, data) => member(data, 'event_id') ?? member(data, 'trigger_id'),
    forms: true,
    answer: (data) =>
      member(data, 'type') === 'url_verification' ? { challenge: member(data, 'challenge') ?? '' } : undefined,
  },
  'standard-webhooks': {
    secret: standardSecret,
    claim: standardClaim,
    id: (headers) => headers('webhook-id'),
    forms: false,
  },
} satisfies Readonly<Record<string, Preset>>;

export type PresetName = keyof typeof PRESETS;

export const presetOf = (name: PresetName): Preset => PRESETS[name];

function single(signature: Uint8Array | undefined, parts: readonly Uint8Array[], at?: number): Claim | undefined {
  return signature && { signatures: [signature], parts, ...(at === undefined ? {} : { at }) };
}

function known<T>(value: T | undefined): value is T {
  return value !== undefined;
}

function member(data: unknown, name: string): string | undefined {
  const value: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, name) : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}
