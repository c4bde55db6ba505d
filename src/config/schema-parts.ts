import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { SecretReference } from '../core/secrets.ts';
import { Duration, ms, parseDuration } from '../core/duration.ts';
import { Schedule } from '../core/schedule.ts';

/** A duration within bounds. Without an upper one a timer could overflow and fire at once. */
export function duration(atLeast: string, atMost: string) {
  return Duration.refine((text) => {
    const length = parseDuration(text);
    return length === undefined || (length >= ms(atLeast) && length <= ms(atMost));
  }, `expected between ${atLeast} and ${atMost}`);
}

export function absolutePath(description: string) {
  return z.string().refine(isAbsolute, 'expected an absolute path').describe(description);
}

/** The files of a listener that has TLS itself. */
export const tls = z
  .strictObject({ cert: absolutePath('The certificate chain, PEM.'), key: absolutePath('The private key, PEM.') })
  .optional();

const UNITS = { MB: 1024 ** 2, GB: 1024 ** 3 } as const;
const SIZE = /^(\d{1,6})(MB|GB)$/;

/** Of a text that `size` accepts. */
export function bytes(text: string): number {
  const [, count, unit] = SIZE.exec(text) ?? [];
  return Number(count) * UNITS[unit as keyof typeof UNITS];
}

/** An amount of memory within bounds, as 512MB or 2GB. */
export function size(atLeast: string, atMost: string) {
  return z
    .string()
    .regex(SIZE, 'expected a size such as 512MB or 2GB')
    .refine(
      (text) => !SIZE.test(text) || (bytes(text) >= bytes(atLeast) && bytes(text) <= bytes(atMost)),
      `expected between ${atLeast} and ${atMost}`,
    );
}

/** When something comes again and again, as members of an object: cron or onCalendar, and the zone of their times. */
export const timesByTheClock = {
  cron: z.string().max(500).optional().describe('At these times, again and again: "0 2 * * sun".'),
  onCalendar: z.string().max(500).optional().describe('The same as in a systemd timer: "Sun *-*-* 02:00".'),
  zone: z.string().default('UTC').describe('Time zone of these times, as in Europe/Berlin.'),
};

/** What is wrong with such times, each with the member that it is about. */
export function clockProblems(times: Pick<z.input<typeof Schedule>, 'cron' | 'onCalendar' | 'every' | 'zone'>): {
  path: string[];
  message: string;
}[] {
  const { error } = Schedule.safeParse(times);
  return (error?.issues ?? []).map(({ path, message }) => ({ path: path.map(String), message }));
}

/** An address that Steward itself requests. */
export const address = z.url({ protocol: /^https?$/, error: 'expected an address such as https://example.org/path' });

/** Where a secret lives. Says so when the secret itself was written into the file. */
export const secret = z.union(SecretReference.options, {
  error:
    'expected where the secret is: {env: NAME}, {file: /path} or {credential: name}; the secret itself does not belong in this file',
});

/** An address that is itself a secret in many products, so a reference does as well. */
export const secretAddress = z.union([address, ...SecretReference.options], {
  error:
    'expected an address such as https://example.org/path, or where it is: {env: NAME}, {file: /path} or {credential: name}',
});

export function names(items: readonly { readonly name: string }[]): ReadonlySet<string> {
  return new Set(items.map(({ name }) => name));
}

/** Refuses a list in which two items share a member. */
export function uniqueBy<Key extends string, Item extends z.ZodType<{ [K in Key]: string }>>(
  key: Key,
  list: z.ZodArray<Item>,
): z.ZodArray<Item> {
  return list.superRefine((items, context) => {
    for (const [index, item] of items.entries()) {
      if (items.findIndex((other) => other[key] === item[key]) < index)
        context.addIssue({
          code: 'custom',
          path: [index, key],
          message: `'${item[key]}' is the ${key} of an earlier entry`,
        });
    }
  });
}
