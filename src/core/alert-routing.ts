import { z } from 'zod';
import { Duration, parseDuration } from './duration.ts';
import { matchesGlob } from './glob.ts';
import { Hours, hoursEnd, hoursInWords, isAlways, timeOfDay, zoneName } from './hours.ts';
import { Severity } from './incident.ts';

const patterns = z.array(z.string().min(1).max(300)).max(500).default([]);

/** Which alerts are meant: each member narrows, and one that is left out narrows nothing. */
export const AlertMatch = z.strictObject({
  services: patterns.describe('Names of services, in which * stands for any characters: one of them.'),
  labels: z
    .record(z.string(), z.string())
    .default({})
    .describe('Labels of the service with their values, in which * stands for any characters: all of them.'),
  severities: z.array(Severity).default([]).describe('info, warning, critical: one of them.'),
  symptoms: patterns.describe('What is wrong, as in service.down, run.failed or disk.*: one of them.'),
});
export type AlertMatch = z.output<typeof AlertMatch>;

/** Hours in which what can wait does. */
export const QuietHours = Hours.extend({
  passes: Severity.default('critical').describe('From this severity on, nothing waits: info, warning or critical.'),
}).refine((hours) => !isAlways(hours), 'expected hours that end: what waits would never be told');
export type QuietHours = z.output<typeof QuietHours>;

const channelNames = z.array(z.string().min(1).max(63));

const MINUTE_MS = 60_000;
const LONGEST_MS = 30 * 86_400_000;

const wait = Duration.refine((text) => {
  const length = parseDuration(text);
  return length === undefined || (length >= MINUTE_MS && length <= LONGEST_MS);
}, 'expected between 1m and 30d');

/** Who is told next of what nobody takes. */
export const Escalation = z.strictObject({
  steps: z
    .array(
      z.strictObject({
        after: wait.describe('So long after it was told first, where nobody has acknowledged it by then.'),
        occurrences: z
          .number()
          .int()
          .min(2)
          .max(1_000)
          .optional()
          .describe('Or at once when it has begun so often, each time within an hour of its end.'),
        channels: channelNames.min(1).describe('Who is told then, whatever their minSeverity.'),
      }),
    )
    .min(1)
    .max(20)
    .superRefine((steps, context) => {
      for (const [index, { after }] of steps.entries()) {
        const [earlier, own] = [parseDuration(steps[index - 1]?.after ?? ''), parseDuration(after)];
        if (earlier !== undefined && own !== undefined && own <= earlier)
          context.addIssue({
            code: 'custom',
            path: [index, 'after'],
            message: `expected more than the ${steps[index - 1]?.after} of the step before: each counts from the beginning`,
          });
      }
    })
    .describe('One after another, until somebody acknowledges it or it is over.'),
  repeat: wait.default('30m').describe('After the last step, its channels are told again each time this has passed.'),
});
export type Escalation = z.output<typeof Escalation>;

const successChannels = channelNames
  .min(1)
  .optional()
  .describe('Who is told of it, whatever their minSeverity. The channels of the route where it is left out.');

/** What becomes of what went well. */
const Successes = z.discriminatedUnion('tell', [
  z.strictObject({
    tell: z.literal('digest').describe('Once a day, all of it in one message.'),
    channels: successChannels,
    at: timeOfDay.default('07:00').describe('When, as "07:00".'),
    zone: zoneName.default('UTC').describe('Time zone of that, as in Europe/Berlin.'),
  }),
  z.strictObject({ tell: z.literal('now').describe('Each at once.'), channels: successChannels }),
  z.strictObject({ tell: z.literal('never').describe('Nobody hears of it by itself.') }),
]);

/** One rule of who is told. */
export const AlertRoute = z.strictObject({
  name: z.string().min(1).max(63).optional().describe('How the route is called where it is explained.'),
  ...AlertMatch.shape,
  when: Hours.optional().describe('Only within these hours.'),
  channels: channelNames.describe('Who is told, as far as their minSeverity takes it. An empty list tells nobody.'),
  quiet: QuietHours.optional().describe(
    'In these hours, what is less than critical waits and is told in one message at their end.',
  ),
  escalate: Escalation.optional().describe('Who is told next where nobody takes it.'),
  successes: Successes.optional().describe(
    'What becomes of what went well: told in a digest, now or never. Left out, only the message of the morning counts it.',
  ),
  continue: z
    .boolean()
    .default(false)
    .describe('Look at the routes after this one too. Without it the first one that fits decides.'),
});
export type AlertRoute = z.output<typeof AlertRoute>;

/** Who is told of what. Without routes, everybody whose minSeverity takes it. */
export const AlertRouting = z.object({
  routes: z.array(AlertRoute).default([]),
  default: channelNames.optional(),
  escalate: Escalation.optional(),
});
export type AlertRouting = z.output<typeof AlertRouting>;

/** What an alert is about, as far as deciding who is told takes it. */
export interface AlertSubject {
  readonly service?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly severity: Severity;
  readonly symptom: string;
}

/** A channel of this node or of another one, as far as deciding who is told takes it. */
export interface Recipient {
  readonly name: string;
  readonly kind: string;
  readonly minSeverity: Severity;
  readonly quiet?: QuietHours | undefined;
}

/** Somebody who is told; where it is quiet, when that is over. */
export interface Taker extends Recipient {
  readonly quietUntil?: Date | undefined;
}

export interface RoutingDecision {
  readonly told: readonly Taker[];
  /** What became of each route that was looked at, in order. */
  readonly routes: readonly { readonly route: string; readonly fits: boolean; readonly why: string }[];
  /** Each channel there is, with why it is told or not. */
  readonly channels: readonly { readonly channel: string; readonly told: boolean; readonly why: string }[];
}

const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };

export function atLeast(severity: Severity, least: Severity): boolean {
  return RANK[severity] >= RANK[least];
}

/** When what is of this severity may be told, where that is not at once. */
export function quietEnd(quiet: QuietHours | undefined, severity: Severity, at: Date): Date | undefined {
  return quiet === undefined || atLeast(severity, quiet.passes) ? undefined : hoursEnd(quiet, at);
}

/** The later of two instants of which there may be none. */
export function laterOf(one: Date | undefined, other: Date | undefined): Date | undefined {
  return one && other && one < other ? other : (one ?? other);
}

/** The members of a match that do not fit, in words; undefined where all do. */
export function mismatch(
  { services, labels, severities, symptoms }: AlertMatch,
  { service, labels: has, severity, symptom }: AlertSubject,
): string | undefined {
  if (services.length > 0 && !services.some((pattern) => service !== undefined && matchesGlob(pattern, service)))
    return `${service ?? 'no service'} is none of ${services.join(', ')}`;
  for (const [key, pattern] of Object.entries(labels)) {
    const value = Object.hasOwn(has, key) ? has[key] : undefined;
    if (value === undefined || !matchesGlob(pattern, value))
      return `label ${key} is ${value === undefined ? 'missing' : `'${value}'`}, not '${pattern}'`;
  }
  if (severities.length > 0 && !severities.includes(severity)) return `${severity} is none of ${severities.join(', ')}`;
  if (symptoms.length > 0 && !symptoms.some((pattern) => matchesGlob(pattern, symptom)))
    return `${symptom} is none of ${symptoms.join(', ')}`;
  return undefined;
}

export function routeName({ name }: Pick<AlertRoute, 'name'>, index: number): string {
  return name ?? `routes[${index}]`;
}

/** The routes that decide about it at this instant, in order; none where it is left to the default. */
export function routesFor(
  { routes }: Pick<AlertRouting, 'routes'>,
  subject: AlertSubject,
  at: Date,
): { deciding: AlertRoute[]; seen: RoutingDecision['routes'] } {
  const deciding: AlertRoute[] = [];
  const seen: { route: string; fits: boolean; why: string }[] = [];
  for (const [index, route] of routes.entries()) {
    const isOutside = route.when !== undefined && hoursEnd(route.when, at) === undefined;
    const against =
      mismatch(route, subject) ??
      (isOutside && route.when ? `it is not ${hoursInWords(route.when)} at ${at.toISOString()}` : undefined);
    seen.push({
      route: routeName(route, index),
      fits: against === undefined,
      why: against ?? (route.continue ? 'all of it fits; the next ones are looked at too' : 'all of it fits'),
    });
    if (against !== undefined) continue;
    deciding.push(route);
    if (!route.continue) break;
  }
  return { deciding, seen };
}

/** Who is told of it, and why. */
export function decide(
  routing: AlertRouting,
  recipients: readonly Recipient[],
  subject: AlertSubject,
  at: Date,
): RoutingDecision {
  const { deciding, seen } = routesFor(routing, subject, at);
  const routeTo = (name: string) => deciding.find(({ channels }) => channels.includes(name));
  const named = (name: string): string | undefined => {
    const route = routeTo(name);
    if (route) return `route ${routeName(route, routing.routes.indexOf(route))} names it`;
    if (deciding.length > 0) return undefined;
    if (routing.default === undefined)
      return routing.routes.length === 0 ? 'there are no routes' : 'no route fits, and no default is set';
    return routing.default.includes(name) ? 'no route fits, and the default names it' : undefined;
  };
  const told: Taker[] = [];
  const channels = recipients.map((recipient) => {
    const { name: channel, minSeverity } = recipient;
    const why = named(channel);
    if (why === undefined)
      return {
        channel,
        told: false,
        why: deciding.length > 0 ? 'no route that fits names it' : 'the default does not name it',
      };
    if (!atLeast(subject.severity, minSeverity))
      return { channel, told: false, why: `${why}, but it takes ${minSeverity} and above` };
    const quietUntil = laterOf(
      quietEnd(recipient.quiet, subject.severity, at),
      quietEnd(routeTo(channel)?.quiet, subject.severity, at),
    );
    if (quietUntil === undefined) {
      told.push(recipient);
      return { channel, told: true, why };
    }
    told.push({ ...recipient, quietUntil });
    return { channel, told: true, why: `${why}; it is quiet, so at ${quietUntil.toISOString()}` };
  });
  return { told, routes: seen, channels };
}

/** The steps that hold for it: those of the first route that has any, or those for all. */
export function escalationFor(routing: AlertRouting, subject: AlertSubject, at: Date): Escalation | undefined {
  const { deciding } = routesFor(routing, subject, at);
  return deciding.find(({ escalate }) => escalate !== undefined)?.escalate ?? routing.escalate;
}
