import { z } from 'zod';
import { SecretReference } from '../../core/secrets.ts';
import { Duration, parseDuration } from '../../core/duration.ts';

const Url = z.url({ protocol: /^https?$/, error: 'expected an address such as https://example.org/path' }).max(2_000);

/** 2xx, 200, 200-204. */
const Status = z
  .string()
  .regex(/^([1-5]xx|[1-5]\d\d(-[1-5]\d\d)?)$/, 'expected 200, 200-204 or 2xx')
  .describe('A status, a range of them, or a class: 204, 200-204, 2xx.');
const Statuses = z.array(Status).min(1).max(20).default(['2xx']);

const Body = z
  .strictObject({
    contains: z.string().min(1).max(1_000).optional().describe('Text that it holds.'),
    pointer: z
      .string()
      .max(500)
      .regex(/^(\/([^~/]|~0|~1)*)*$/, 'expected a JSON pointer such as /order/status')
      .optional()
      .describe('JSON pointer (RFC 6901) to a member that it has: /order/status.'),
    equals: z.json().optional().describe('What that member is.'),
  })
  .refine(({ pointer, equals }) => equals === undefined || pointer !== undefined, {
    error: 'expected pointer beside equals',
    path: ['pointer'],
  });
export type ExpectedBody = z.output<typeof Body>;

const Name = z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'expected the name of a header');
/** Steward writes these itself: a wrong length or host would make of one request two, or send it elsewhere. */
const OWN_HEADERS = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'idempotency-key',
  'upgrade',
  'expect',
]);

export const Input = z
  .strictObject({
    url: Url.describe(
      'The address to call. What is on this machine or in a private network is called only where http.allow lists its host.',
    ),
    // Not DELETE: what destroys at the other end would pass for a write here.
    method: z
      .enum(['GET', 'POST', 'PUT', 'PATCH'])
      .default('POST')
      .describe('The method. GET for receivers that act on one.'),
    headers: z
      .record(
        Name.refine(
          (name) => !OWN_HEADERS.has(name.toLowerCase()),
          'expected a header that Steward does not set itself',
        ),
        z.union([
          z
            .string()
            .max(4_000)
            .regex(/^[\t\u0020-\u007E\u0080-\u00FF]*$/, 'expected one line'),
          SecretReference,
        ]),
      )
      .default({})
      .describe('Headers. What is secret is a reference, {env: NAME}, and goes only where http.allow lets it.'),
    json: z.json().optional().describe('The body, as JSON.'),
    body: z.string().max(262_144).optional().describe('The body, as text, in place of json.'),
    expectStatus: Statuses.describe('Statuses that mean it worked.'),
    expectBody: Body.optional().describe('What the answer must hold.'),
    readBack: z
      .strictObject({
        url: Url.describe('The address to GET; with the same headers where it is of the same origin.'),
        expectStatus: Statuses,
        expectBody: Body.optional(),
      })
      .optional()
      .describe('Where to look afterwards whether it happened.'),
    timeout: Duration.refine((text) => {
      const length = parseDuration(text);
      return length === undefined || (length >= 100 && length <= 60_000);
    }, 'expected between 100ms and 1m')
      .default('10s')
      .describe('An answer that takes longer is none.'),
    repeatable: z
      .boolean()
      .optional()
      .describe(
        'Whether a second delivery is harmless, because the receiver knows its Idempotency-Key again. GET and PUT are so; POST and PATCH only where this says so.',
      ),
  })
  .superRefine(({ method, json, body }, context) => {
    if (json !== undefined && body !== undefined)
      context.addIssue({ code: 'custom', path: ['body'], message: 'expected json or body, not both' });
    if (method === 'GET' && (json !== undefined || body !== undefined))
      context.addIssue({ code: 'custom', path: ['method'], message: 'expected no body with GET' });
  });
export type Input = z.output<typeof Input>;

export const Output = z.object({
  address: z.string().describe('Origin and path that were called.'),
  status: z
    .number()
    .int()
    .nullable()
    .describe('The status of the answer; null where it is not known whether it arrived.'),
  attempts: z.number().int().describe('Requests that were sent or tried.'),
  durationMs: z.number().int(),
  answer: z.string().describe('The beginning of the answer: text of the other side, not to be trusted.'),
});
