import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Verdict } from '../handlers/webhooks/receive.ts';
import type { PresetName } from '../handlers/webhooks/presets.ts';
import type { HookType } from '../handlers/webhooks/types.ts';
import type { Case } from './case.ts';
import { PUBLISHED, type Published } from './published.ts';

/** One suite for every runtime that decides: it gives the cases, `ask` has them judged there. */
export function webhookSuite(ask: (cases: readonly Case[]) => Promise<readonly Verdict[]>, mutations: number): void {
  const one = async (asked: Case): Promise<Verdict> => {
    const [verdict] = await ask([asked]);
    if (!verdict) throw new Error('There was no verdict.');
    return verdict;
  };
  const statusOf = async (asked: Case): Promise<number> => status(await one(asked));

  describe('what services publish as examples', () => {
    it.each(PUBLISHED)('$of is accepted, and refused with another body, secret or time', async (published) => {
      const asked = caseOf(published);
      expect(await one(asked)).toMatchObject({ is: 'accepted', type: 'hook' });
      expect(await statusOf({ ...asked, body: [...asked.body, 32] })).toBe(401);
      expect(await statusOf({ ...asked, types: { hook: hookType(published.preset, ['another']) } })).toBe(401);
      if (published.signsTime) {
        expect(await statusOf({ ...asked, now: asked.now + 301_000 })).toBe(401);
        expect(await statusOf({ ...asked, now: asked.now - 301_000 })).toBe(401);
        expect(await statusOf({ ...asked, now: asked.now + 299_000 })).toBe(202);
      }
    });
  });

  describe('a request', () => {
    const good = signed('{"amount":12}');

    it('is taken with 202 where its X-Webhook-Signature is the HMAC of the very bytes in base64', async () => {
      expect(await one(good)).toEqual({
        is: 'accepted',
        id: '00000000-0000-4000-8000-000000000000',
        type: 'bank',
        content: 'json',
        source: 'bank/1.0',
      });
      // The same value in other bytes is another text.
      expect(await statusOf({ ...good, body: bytes('{"amount": 12}') })).toBe(401);
    });

    it.each([
      ['any method but POST', { ...good, method: 'GET' }, 405],
      ['a path that is no type', { ...good, path: '/' }, 404],
      ['a path of two segments', { ...good, path: '/bank/more' }, 404],
      ['a type that nobody configured', { ...good, path: '/unknown' }, 401],
      ['a type whose secret cannot be read', { ...good, types: { bank: incompleteType([]) } }, 503],
      ['a type of which another secret cannot be read', { ...good, types: { bank: incompleteType(['x']) } }, 503],
      ['a type without a secret', { ...good, types: { bank: hookType('steward', []) } }, 401],
      ['a type whose secret is empty', { ...emptySecret() }, 401],
      ['no signature', { ...good, headers: { 'content-type': 'application/json' } }, 401],
      ['signed text that is not JSON', signed('{"amount":'), 400],
      ['signed bytes that are not UTF-8', signed(Uint8Array.of(0x22, 0xff, 0x22)), 400],
      ['nothing, signed', signed(''), 400],
      ['another media type', signed('{}', { 'content-type': 'text/plain' }), 415],
      ['no media type', signed('{}', { 'content-type': '' }), 415],
      ['a form where none is expected', signed('a=1', { 'content-type': 'application/x-www-form-urlencoded' }), 415],
      ['another charset', signed('{}', { 'content-type': 'application/json; charset=latin1' }), 415],
      ['a compressed body', signed('{}', { 'content-encoding': 'gzip' }), 415],
      ['a body over the limit', signed(JSON.stringify('x'.repeat(1024))), 413],
      ['a length over the limit, before the body', signed('{}', { 'content-length': '2000' }), 413],
    ])('is refused: %s', async (_what, asked, expected) => {
      expect(await statusOf(asked)).toBe(expected);
    });

    it('says which method it may have', async () => {
      expect(await one({ ...good, method: 'PUT' })).toMatchObject({
        message: 'Method not allowed',
        headers: { allow: 'POST' },
      });
    });

    it('looks at the signature before it reads the body', async () => {
      expect(await statusOf({ ...good, body: bytes('{"amount":') })).toBe(401);
    });

    it('is good under each of several secrets while they rotate, and under no other', async () => {
      const types = { bank: hookType('steward', ['new', 'old']) };
      expect(await statusOf({ ...signed('{}', {}, 'old'), types })).toBe(202);
      expect(await statusOf({ ...signed('{}', {}, 'new'), types })).toBe(202);
      expect(await statusOf({ ...signed('{}', {}, 'older'), types })).toBe(401);
    });

    it('of Stripe may carry the signatures of several secrets and of schemes of old', async () => {
      const stripe = PUBLISHED.find(({ preset }) => preset === 'stripe');
      if (!stripe) throw new Error('There is no example of Stripe.');
      const asked = caseOf(stripe);
      const header = asked.headers['stripe-signature'] ?? '';
      const among = (others: string): Case => ({
        ...asked,
        headers: { ...asked.headers, 'stripe-signature': header.replace(',v1=', `,${others},v1=`) },
      });
      expect(await one(among(`v1=${'0'.repeat(64)},v0=${'1'.repeat(64)}`))).toMatchObject({
        is: 'accepted',
        senderId: 'evt_1NG8Du2eZvKYlo2CUI79vXWy',
      });
      expect(await statusOf(among('t=1700000001'))).toBe(401);
    });

    it.each([
      [['10.0.0.0/8'], '10.1.2.3', 202],
      [['10.0.0.0/8'], '::ffff:10.1.2.3', 202],
      [['10.0.0.0/8'], '11.1.2.3', 403],
      [['2001:db8::/32', '192.0.2.7'], '2001:db8:0:1::9', 202],
      [['2001:db8::/32', '192.0.2.7'], '192.0.2.7', 202],
      [['2001:db8::/32', '192.0.2.7'], '192.0.2.8', 403],
      [['nonsense'], '192.0.2.8', 403],
      [[], '192.0.2.8', 403],
    ])('with the allow-list %j from %s gets %i', async (allowFrom, address, expected) => {
      const types = { bank: { ...hookType('steward', ['secret']), allowFrom } };
      expect(await statusOf({ ...good, types, address })).toBe(expected);
    });

    it('has the same id when its sender repeats it, another per type, and a new one where it says none', async () => {
      const named = signed('{"n":1}', { 'x-webhook-id': 'm-1' });
      const other = { ...named, path: '/expense', types: { expense: hookType('steward', ['secret']) } };
      const [first, repeat, elsewhere] = await ask([named, signed('{"n":2}', { 'x-webhook-id': 'm-1' }), other]);
      expect(first).toMatchObject({ is: 'accepted', senderId: 'm-1' });
      expect(idOf(repeat)).toBe(idOf(first));
      expect(idOf(elsewhere)).not.toBe(idOf(first));
      expect(idOf(first)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    });

    it('is a repeat by its body where the type says so, whatever it calls itself', async () => {
      const types = { bank: { ...hookType('steward', ['secret']), repeats: 'body' as const } };
      const [first, replayed] = await ask([
        { ...signed('{}', { 'x-webhook-id': 'm-1' }), types },
        { ...signed('{}', { 'x-webhook-id': 'm-2' }), types },
      ]);
      expect(idOf(replayed)).toBe(idOf(first));
    });

    it('of GitLab may carry the token itself, which is compared whole', async () => {
      const types = { hook: hookType('gitlab', ['a-long-token']) };
      const asked = { ...good, path: '/hook', types };
      const withToken = (token: string): Case => ({
        ...asked,
        headers: { 'content-type': 'application/json', 'x-gitlab-token': token },
      });
      expect(await statusOf(withToken('a-long-token'))).toBe(202);
      for (const token of ['', 'a-long-toke', 'a-long-tokeN', 'a-long-token2'])
        expect(await statusOf(withToken(token))).toBe(401);
      // A secret that signs is never good as a token.
      const signing = { hook: hookType('gitlab', ['whsec_c2VjcmV0']) };
      expect(await statusOf({ ...withToken('whsec_c2VjcmV0'), types: signing })).toBe(401);
    });

    it('without an id is known by its signed time and body, whichever secret signed it and however that is written', async () => {
      const body = '{"type":"view_closed"}';
      const at = 1_531_420_618;
      for (const [preset, other] of [
        ['slack', ofSlack(body, at + 1)],
        ['stripe', ofStripe(body, at + 1)],
      ] as const) {
        const of = (secret: string): Case => (preset === 'slack' ? ofSlack : ofStripe)(body, at, secret);
        const types = { hook: hookType(preset, ['secret', 'before']) };
        const [first, replayed, before, later, shouted] = await ask([
          { ...of('secret'), types },
          { ...of('secret'), types, now: (at + 200) * 1000 },
          { ...of('before'), types },
          { ...other, types },
          { ...of('secret'), types, headers: upperCase(of('secret').headers) },
        ]);
        expect(idOf(first)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8/);
        expect([idOf(replayed), idOf(before)]).toEqual([idOf(first), idOf(first)]);
        expect([idOf(first), undefined]).toContain(idOf(shouted));
        expect(later?.is).toBe('accepted');
        expect(idOf(later)).not.toBe(idOf(first));
      }
    });

    it('of Slack that asks who listens gets its challenge back, signed ones only', async () => {
      const body = '{"type":"url_verification","challenge":"3eZbrw1aB"}';
      const asked = ofSlack(body, 1_531_420_618);
      expect(await one(asked)).toEqual({ is: 'answered', body: { challenge: '3eZbrw1aB' } });
      expect(await statusOf({ ...asked, body: bytes(body.replace('3eZ', '3eY')) })).toBe(401);
    });
  });

  describe('what a type says beyond its secret', () => {
    const at = Date.UTC(2030, 0, 31, 18);
    const typed = (more: Partial<HookType>, body = '{}', headers: Readonly<Record<string, string>> = {}): Case => ({
      ...signed(body, headers),
      types: { bank: { ...hookType('steward', ['secret']), ...more } },
      now: at,
    });

    it('is a limit: what is over it gets 429 with the seconds after which it is taken, what is refused does not count', async () => {
      const limit = { requests: 2, perMs: 60_000 };
      const limited = (seconds: number): Case => ({ ...typed({ limit }), now: at + seconds * 1_000 });
      const forged = { ...limited(1), headers: { 'content-type': 'application/json', 'x-webhook-signature': 'AAAA' } };
      const verdicts = await ask([limited(0), forged, limited(10), limited(30), limited(59)]);
      expect(verdicts.map(status)).toEqual([202, 401, 202, 429, 429]);
      const [early = 0, late = 0] = verdicts.slice(3).map(retryAfter);
      // The window is a minute long wherever it begins, and a little longer here.
      expect(30 + early).toBeGreaterThanOrEqual(60);
      expect(late).toBeGreaterThan(0);
      expect(59 + late).toBeLessThanOrEqual(62);
      const again = await ask([limited(0), limited(10), limited(30), limited(30 + early), limited(65)]);
      expect(again.map(status)).toEqual([202, 202, 429, 202, 429]);
    });

    it('is a limit of which what is sent again takes nothing, also where it is spent', async () => {
      const limit = { requests: 2, perMs: 60_000 };
      const sent = (id: string, more: Partial<HookType> = {}): Case =>
        typed({ limit, ...more }, '{}', { 'x-webhook-id': id });
      const verdicts = await ask([sent('a'), sent('a'), sent('a'), sent('b'), sent('c'), sent('a'), sent('b')]);
      expect(verdicts.map(status)).toEqual([202, 202, 202, 202, 429, 202, 202]);
      const byBody = { repeats: 'body' } as const;
      expect((await ask([sent('a', byBody), sent('b', byBody), sent('c', byBody)])).map(status)).toEqual([
        202, 202, 202,
      ]);
    });

    it('is a schema that what is sent again has to fit, too', async () => {
      const strict = {
        limit: { requests: 1, perMs: 60_000 },
        schema: { is: { required: ['amount'] }, mismatch: 'refuse' },
      };
      const wrong = typed(strict as Partial<HookType>, '{"kind":"x"}', { 'x-webhook-id': 'a' });
      expect((await ask([wrong, wrong])).map(status)).toEqual([400, 400]);
    });

    it('is a limit of its own for each type', async () => {
      const limit = { requests: 1, perMs: 60_000 };
      const limitedType = { ...hookType('steward', ['secret']), limit };
      const bank = { ...typed({}), types: { bank: limitedType, expense: limitedType } };
      const expense = { ...bank, path: '/expense' };
      expect((await ask([bank, expense, bank, expense])).map(status)).toEqual([202, 202, 429, 429]);
    });

    it('is a schema: what does not fit is refused with 400, or kept with what is wrong', async () => {
      const schema = (mismatch: 'refuse' | 'dead') => ({ schema: { is: { required: ['amount'] }, mismatch } });
      const [fits, refused, dead, deadFits] = await ask([
        typed(schema('refuse'), '{"amount":1}'),
        typed(schema('refuse'), '{"kind":"x"}'),
        typed(schema('dead'), '{"kind":"x"}'),
        typed(schema('dead'), '{"amount":1}'),
      ]);
      for (const verdict of [fits, deadFits]) {
        expect(verdict).toMatchObject({ is: 'accepted' });
        expect(verdict).not.toHaveProperty('problem');
      }
      expect(refused).toMatchObject({
        status: 400,
        code: 'schema',
        message: 'The body does not fit the schema of bank: the body must have amount.',
      });
      expect(dead).toMatchObject({
        is: 'accepted',
        problem: 'It does not fit the schema: the body must have amount.',
      });
      // Nobody learns of a schema who does not know the secret.
      expect(await statusOf(typed({ ...schema('refuse'), secrets: ['another'] }, '{"kind":"x"}'))).toBe(401);
    });

    it.each([
      ['a path', { path: 'account.id' }, '{"account":{"id":"acme"}}', 'acme'],
      ['a path to a number', { path: 'account.id' }, '{"account":{"id":7}}', '7'],
      ['a path to a boolean', { path: 'live' }, '{"live":false}', 'false'],
      ['a path to an object', { path: 'account' }, '{"account":{"id":7}}', undefined],
      ['a path to nothing', { path: 'account.id' }, '{"account":null}', undefined],
      ['what every object has', { path: 'constructor.name' }, '{}', undefined],
      ['a header', { header: 'X-Account' }, '{}', 'of-the-header'],
      ['a header that was not sent', { header: 'X-Other' }, '{}', undefined],
      ['what is too long', { path: 'id' }, JSON.stringify({ id: 'x'.repeat(300) }), 'x'.repeat(255)],
    ])('is an order: %s', async (_what, key, body, expected) => {
      const verdict = await one(typed({ key }, body, { 'x-account': 'of-the-header' }));
      expect(verdict).toMatchObject({ is: 'accepted' });
      expect('key' in verdict ? verdict.key : undefined).toBe(expected);
    });
  });

  describe('what was tampered with', () => {
    const per = Math.ceil(mutations / PUBLISHED.length);

    it.each(PUBLISHED)('is never accepted: body, signature and signed headers of $of', async (published) => {
      const asked = caseOf(published);
      const mutant = fc.oneof(
        mutatedBytes(asked.body).map((body) => ({ ...asked, body })),
        fc.constantFrom(...published.signedHeaders).chain((name) =>
          mutatedText(asked.headers[name] ?? '').map((value) => ({
            ...asked,
            headers: { ...asked.headers, [name]: value },
          })),
        ),
      );
      const mutants = fc.sample(mutant, per).filter((each) => asSeen(each) !== asSeen(asked));
      expect(mutants.length).toBeGreaterThan(per * 0.9);
      const verdicts = await ask(mutants);
      const accepted = mutants.filter((_each, at) => verdicts[at]?.is !== 'refused');
      expect(accepted.map(({ headers, body }) => ({ headers, body: text(body) }))).toEqual([]);
    });
  });
}

function caseOf({
  preset,
  secret,
  headers,
  body,
  at,
}: Pick<Published, 'preset' | 'secret' | 'headers' | 'body' | 'at'>): Case {
  return {
    method: 'POST',
    path: '/hook',
    headers,
    address: '192.0.2.1',
    body: bytes(body),
    types: { hook: hookType(preset, [secret]) },
    now: at * 1000,
  };
}

const ofSlack = (body: string, at: number, secret = 'secret'): Case =>
  caseOf({
    preset: 'slack',
    secret,
    headers: {
      'content-type': 'application/json',
      'x-slack-request-timestamp': String(at),
      'x-slack-signature': `v0=${createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')}`,
    },
    body,
    at,
  });

const ofStripe = (body: string, at: number, secret = 'secret'): Case =>
  caseOf({
    preset: 'stripe',
    secret,
    headers: {
      'content-type': 'application/json',
      'stripe-signature': `t=${at},v1=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`,
    },
    body,
    at,
  });

/** The signature in other letters, which are the same bytes. */
const upperCase = (headers: Case['headers']): Case['headers'] =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      value.replaceAll(/(?<==)[0-9a-f]{64}/g, (hex) => hex.toUpperCase()),
    ]),
  );

function signed(body: string | Uint8Array, headers: Readonly<Record<string, string>> = {}, secret = 'secret'): Case {
  return {
    method: 'POST',
    path: '/bank',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'bank/1.0',
      'x-webhook-signature': createHmac('sha256', secret).update(body).digest('base64'),
      ...headers,
    },
    address: '192.0.2.1',
    body: bytes(body),
    types: { bank: hookType('steward', ['secret']) },
    now: 1_700_000_000_000,
  };
}

function emptySecret(): Case {
  return { ...signed('{}', {}, ''), types: { bank: hookType('steward', ['']) } };
}

function hookType(preset: PresetName, secrets: readonly string[]): HookType {
  return { preset, secrets, maxBytes: 1024, toleranceSeconds: 300, repeats: 'id' };
}

const incompleteType = (secrets: readonly string[]): HookType => ({
  ...hookType('steward', secrets),
  incomplete: true,
});

/** One change at least: a bit, a byte more or less, two swapped. */
function mutatedBytes(original: readonly number[]): fc.Arbitrary<number[]> {
  const place = fc.nat(Math.max(original.length - 1, 0));
  return fc.oneof(
    fc
      .tuple(place, fc.nat(7))
      .map(([at, bit]) => original.map((byte, each) => (each === at ? byte ^ (1 << bit) : byte))),
    fc.tuple(place, fc.nat(255)).map(([at, byte]) => original.toSpliced(at, 0, byte)),
    place.map((at) => original.toSpliced(at, 1)),
    place.map((at) => original.slice(0, at)),
    fc.constant<number[]>([]),
    fc.tuple(place, place).map(([a, b]) => original.with(a, original[b] ?? 0).with(b, original[a] ?? 0)),
  );
}

function mutatedText(original: string): fc.Arbitrary<string> {
  return fc.oneof(
    mutatedBytes(bytes(original)).map((mutated) => String.fromCharCode(...mutated)),
    fc.constantFrom(original.toUpperCase(), original.slice(0, -1), `${original}=`, '', '=', 'v1=', 'v1,', 'sha256='),
    fc.string(),
  );
}

/** HTTP itself drops the space around a value. */
function asSeen({ headers, ...rest }: Case): string {
  return JSON.stringify({ ...rest, headers: Object.entries(headers).map(([name, value]) => [name, value.trim()]) });
}

function status(verdict: Verdict): number {
  return verdict.is === 'refused' ? verdict.status : verdict.is === 'accepted' ? 202 : 200;
}

function retryAfter(verdict: Verdict): number | undefined {
  return verdict.is === 'refused' ? Number(verdict.headers['retry-after']) : undefined;
}

function idOf(verdict: Verdict | undefined): string | undefined {
  return verdict?.is === 'accepted' ? verdict.id : undefined;
}

function bytes(value: string | Uint8Array): number[] {
  return [...Buffer.from(value)];
}

function text(value: readonly number[]): string {
  return Buffer.from(value).toString();
}
