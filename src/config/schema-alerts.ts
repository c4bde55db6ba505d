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
    digest: z
      .boolean()
      .default(true)
      .describe(
        'Each morning at 07:00 UTC, channels that take alerts of the severity info are told in one message what went well and what is open.',
      ),
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
    }
  });
