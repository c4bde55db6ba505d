import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import { storableText } from '../../core/storable-text.ts';

// What comes from places is text of strangers: bounded, and fit to be kept.

const MOST_RESULTS = 1_000;
const text = (length: number) => z.string().transform((given) => storableText(redactText(given.slice(0, length))));
const instant = z.iso.datetime({ offset: true }).transform((given) => new Date(given));
const count = z.number().int().min(0).max(1_000_000_000);

const Result = z.object({
  id: z.string().regex(/^[\w.:-]{1,100}$/, 'expected letters, digits, dots, colons, - and _'),
  check: z.string().max(100),
  at: instant,
  state: z.enum(['up', 'degraded', 'down', 'unknown']),
  latencyMs: z.number().min(0).max(86_400_000),
  message: text(300),
  code: z
    .string()
    .regex(/^\w{1,60}$/)
    .optional(),
});
export type Result = z.output<typeof Result>;

const Report = z.object({
  have: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  sentAt: instant,
  everyMs: z.number().min(100).max(86_400_000),
  software: text(100),
  kinds: z.array(z.string().max(30)).max(30),
  backlog: count,
  dropped: count,
  unwell: text(300).optional(),
  results: z.array(Result).max(MOST_RESULTS),
});
export type Report = z.output<typeof Report>;

/** Of the health checkers that were there before: seconds, milliseconds or text. */
const LooseInstant = z
  .union([z.iso.datetime({ offset: true }), z.number().positive().max(8_640_000_000_000)])
  .transform((given) => new Date(typeof given === 'number' && given < 100_000_000_000 ? given * 1_000 : given));

const Healthcheck = z.object({
  timestamp: LooseInstant,
  results: z
    .array(
      z.object({
        service: z.string().min(1).max(300),
        healthy: z.boolean(),
        latency: z.number().min(0).max(86_400_000).nullish(),
      }),
    )
    .max(MOST_RESULTS),
});
export type Healthcheck = z.output<typeof Healthcheck>;

export const parseReport = (given: unknown): Report => parsed(Report, given, 'report');
export const parseHealthcheck = (given: unknown): Healthcheck => parsed(Healthcheck, given, 'healthcheck');

function parsed<T extends z.ZodType>(schema: T, given: unknown, what: string): z.output<T> {
  const { data, error } = schema.safeParse(given);
  if (error)
    throw StewardError.invalid(
      error.issues.map(({ path, message }) => ({ path: [what, ...path].join('.'), message })),
      error,
    );
  return data;
}
