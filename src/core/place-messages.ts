import { z } from 'zod';
import { redactText } from './redact.ts';
import { storableText } from './storable-text.ts';

// What places and Steward say to each other. What comes from places is text of strangers: bounded, and fit to be kept.

const MOST_RESULTS = 1_000;
const text = (length: number) => z.string().transform((given) => storableText(redactText(given.slice(0, length))));
const instant = z.iso.datetime({ offset: true }).transform((given) => new Date(given));
const count = z.number().int().min(0).max(1_000_000_000);

export const PlaceJoining = z.strictObject({
  invitation: z.string().max(300).describe('What steward probe invite printed.'),
  tokenHash: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hexadecimal')
    .describe('Of the secret of a token that the place made itself.'),
});

export const PlaceJoined = z.object({ name: z.string().describe('What the place is called.') });
export type PlaceJoined = z.output<typeof PlaceJoined>;

const Result = z.object({
  id: z
    .string()
    .regex(/^[\w.:-]{1,100}$/, 'expected letters, digits, dots, colons, - and _')
    .describe('Known by it when it is sent twice.'),
  check: z.string().max(100).describe('Its id in the configuration.'),
  at: instant.describe('By the clock of the place.'),
  state: z.enum(['up', 'degraded', 'down', 'unknown']),
  latencyMs: z.number().min(0).max(86_400_000),
  message: text(300),
  code: z
    .string()
    .regex(/^\w{1,60}$/)
    .optional()
    .describe('What kind of failure, where one word says it: ENOTFOUND, ECONNREFUSED, TIMEOUT.'),
});

export const PlaceReport = z.object({
  have: z
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .describe('The version of the configuration that it has; 0 where it has none.'),
  sentAt: instant.describe('By the clock of the place.'),
  everyMs: z.number().min(100).max(86_400_000).describe('When the next report is to be expected.'),
  software: text(100),
  kinds: z.array(z.string().max(30)).max(30).describe('Kinds of checks that it can do.'),
  backlog: count.describe('Results that wait to be sent after these.'),
  dropped: count.describe('Results that were given up because too many waited.'),
  unwell: text(300).optional().describe('Why what it sees may be its own fault.'),
  results: z.array(Result).max(MOST_RESULTS),
});
export type PlaceReport = z.output<typeof PlaceReport>;

/** What the payload of a signed configuration is, as text. */
const PlaceConfig = z.object({
  place: z.string().describe('The id of the place that it is for.'),
  version: z.number().describe('Grows with every change.'),
  userAgent: z.string(),
  reportEveryMs: z.number(),
  references: z
    .array(z.string())
    .optional()
    .describe('host:port, of which one at least answers while the way out of the place works.'),
  checks: z.array(
    z.object({
      id: z.string(),
      target: z.looseObject({ kind: z.string() }).describe('As the check of a service in steward.yaml says it.'),
      everyMs: z.number(),
      timeoutMs: z.number(),
      slowMs: z.number(),
    }),
  ),
});

export const PlaceReportAnswer = z.object({
  taken: z.number().int().min(0).describe('Results that were kept, or had been before.'),
  ahead: z
    .number()
    .int()
    .min(0)
    .optional()
    .describe('Results that were dropped because they are of a time that has not come.'),
  config: z
    .object({
      payload: z
        .string()
        .meta({ contentMediaType: 'application/json', contentSchema: z.toJSONSchema(PlaceConfig) })
        .describe('The very text that was signed.'),
      signature: z.string().describe('Ed25519, in base64url, by the key that is part of the invitation.'),
    })
    .optional()
    .describe('Where it is another than the one that the place has.'),
});
export type PlaceReportAnswer = z.output<typeof PlaceReportAnswer>;

/** Of the health checkers that were there before: seconds, milliseconds or text. */
const LooseInstant = z
  .union([z.iso.datetime({ offset: true }), z.number().positive().max(8_640_000_000_000)])
  .transform((given) => new Date(typeof given === 'number' && given < 100_000_000_000 ? given * 1_000 : given));

export const Healthcheck = z.object({
  timestamp: LooseInstant.describe('Of the look: as text, in seconds, or in milliseconds since 1970.'),
  results: z
    .array(
      z.object({
        service: z.string().min(1).max(300).describe('The name of a service that has places, or the id of a check.'),
        healthy: z.boolean(),
        latency: z.number().min(0).max(86_400_000).nullish().describe('In milliseconds.'),
      }),
    )
    .max(MOST_RESULTS),
});
export type Healthcheck = z.output<typeof Healthcheck>;

export const HealthcheckAnswer = z.object({
  taken: z.number().int().min(0),
  unknown: z.array(z.string()).readonly().describe('Services that this place does not look at.'),
  ambiguous: z
    .array(z.object({ service: z.string(), checks: z.array(z.string()).readonly() }))
    .readonly()
    .optional()
    .describe('Of the unknown those that several checks go by, which are told apart by their ids.'),
});
export type HealthcheckAnswer = z.output<typeof HealthcheckAnswer>;
