import { z } from 'zod';
import { AlertRoute, Escalation } from '../core/alert-routing.ts';
import { Channels } from './schema-channels.ts';
import { duration, names } from './schema-parts.ts';

/** What is told, by which way, and to whom. */
export const Alerts = z
  .strictObject({
    channels: Channels.default([]).describe('Where alerts go. Without one, problems are seen only on the dashboard.'),
    routes: z
      .array(AlertRoute)
      .default([])
      .describe(
        'Who is told of what: the first route that fits decides. Without routes, every channel whose minSeverity takes it.',
      ),
    default: z
      .array(z.string().min(1).max(63))
      .optional()
      .describe('Channels that are told where no route fits. Without it, all of them.'),
    escalate: Escalation.optional().describe(
      'Who is told next where nobody takes it, of whatever no route has steps of its own for.',
    ),
    hold: duration('0s', '1h')
      .default('90s')
      .describe('How long a new incident that is not critical waits for healing before anyone is told.'),
    weeklyTest: z
      .boolean()
      .default(true)
      .describe('Whether each channel gets a test on Mondays at 09:00; one that does not take it becomes an incident.'),
    digest: z
      .boolean()
      .default(true)
      .describe(
        'Each morning at 07:00 UTC, channels that take alerts of the severity info are told in one message what went well and what is open.',
      ),
    budget: z
      .strictObject({
        perWeek: z
          .number()
          .int()
          .min(1)
          .max(10_000)
          .default(15)
          .describe('Pages a week that a channel may bring before steward alert budget says that it is too much.'),
        floor: z
          .number()
          .min(0)
          .max(1)
          .default(0.2)
          .describe(
            'Least share of the incidents of a rule that people act on; below it the digest is proposed for it. 0: never.',
          ),
        judged: z
          .number()
          .int()
          .min(1)
          .max(1_000)
          .default(5)
          .describe('Incidents of a rule that must be judged before it is proposed for the digest.'),
      })
      .prefault({})
      .describe('How often people may be called, and for what it is worth calling them.'),
    repeat: duration('1m', '30d')
      .optional()
      .describe('Tells again after this time what nobody has acknowledged and is still open. Without it, once.'),
    attempts: z
      .number()
      .int()
      .min(1)
      .max(100)
      .default(20)
      .describe('Deliveries tried per alert and channel before it counts as failed.'),
    throttle: z
      .strictObject({
        perHour: z
          .number()
          .int()
          .min(1)
          .max(10_000)
          .default(60)
          .describe('Alerts per channel within an hour; what is above is counted and told in one summary.'),
      })
      .prefault({})
      .describe('The brake against a flood of alerts. Critical ones and escalations always pass.'),
  })
  .superRefine(({ channels, routes, default: everybody = [], escalate }, context) => {
    const known = names(channels);
    const check = (path: (string | number)[], wanted: readonly string[]): void => {
      for (const [index, name] of wanted.entries())
        if (!known.has(name))
          context.addIssue({ code: 'custom', path: [...path, index], message: `there is no channel '${name}'` });
    };
    check(['default'], everybody);
    const checkSteps = (path: (string | number)[], steps: Escalation['steps'] = []): void => {
      for (const [index, step] of steps.entries()) check([...path, 'steps', index, 'channels'], step.channels);
    };
    checkSteps(['escalate'], escalate?.steps);
    for (const [index, route] of routes.entries()) {
      check(['routes', index, 'channels'], route.channels);
      checkSteps(['routes', index, 'escalate'], route.escalate?.steps);
      if (!route.successes || route.successes.tell === 'never') continue;
      check(['routes', index, 'successes', 'channels'], route.successes.channels ?? []);
      if (route.successes.channels === undefined && route.channels.length === 0)
        context.addIssue({
          code: 'custom',
          path: ['routes', index, 'successes', 'channels'],
          message: 'expected who is told of what went well: the route has no channels of its own',
        });
    }
  });
