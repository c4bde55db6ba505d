import { z } from 'zod';
import { Severity } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import { naming } from '../../core/naming.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import type { Router } from './router.ts';
import { successNames, type Successes } from './successes.ts';

/** A label as it is written in an input. */
export const Label = z.string().regex(/^[^=\s]+=.*$/s, 'expected key=value');

/** A dry run of the routes: nothing is sent. */
export function routeOperation({
  router,
  successes,
  inventory,
}: {
  readonly successes: Pick<Successes, 'decision'>;
  readonly router: Pick<Router, 'decide'>;
  readonly inventory: Pick<Inventory, 'resolve'>;
}): AnyOperation {
  return defineQuery({
    name: 'alert-route',
    title: 'Who would be told',
    summary:
      'Says which channels would be told of a problem and why, what became of each route, and who hears when it goes well. Nothing is sent.',
    permission: 'read',
    input: z.object({
      service: naming('service', z.string().min(1).max(300))
        .optional()
        .describe('The service, by name, id or identity; one that is not known yet is asked for by its name.'),
      severity: Severity.default('critical').describe('info, warning or critical.'),
      symptom: z.string().min(1).max(200).default('service.down').describe('What is wrong, as in run.failed.'),
      labels: z.array(Label).max(100).default([]).describe('Labels besides those that the service has, as key=value.'),
      at: z.coerce.date().optional().describe('When; now where it is left out.'),
    }),
    output: z.object({
      channels: z
        .array(z.object({ channel: z.string(), told: z.boolean(), why: z.string() }))
        .describe('Each channel there is.'),
      told: z.array(z.string()).describe('Who would be told.'),
      routes: z
        .array(z.object({ route: z.string(), fits: z.boolean(), why: z.string() }))
        .describe('Each route that was looked at, in order.'),
      successes: z
        .object({
          tell: z.enum(['morning', 'digest', 'now', 'never']),
          told: z.array(z.string()),
          at: z.coerce.date().optional().describe('When a digest of it comes.'),
          why: z.string(),
        })
        .describe('What becomes of its opposite: what went well.'),
      service: z.string().optional(),
      labels: z.record(z.string(), z.string()).describe('The labels that were looked at.'),
      at: z.coerce.date(),
    }),
    cli: ['alert', 'route'],
    examples: [
      { title: 'Who is called when the shop is down?', input: { service: 'shop', severity: 'critical' } },
      {
        title: 'And of a backup that fails at night?',
        input: { symptom: 'backup.failed', severity: 'warning', at: '2026-03-01T02:00:00Z' },
      },
    ],
    async handle({ service, severity, symptom, labels: more, at }, { now }) {
      const resource = service === undefined ? undefined : await inventory.resolve(service);
      const labels = { ...resource?.labels, ...labelsOf(more) };
      const name = resource?.name ?? service;
      const when = at ?? now;
      const { told, routes, channels } = await router.decide({ service: name, labels, severity, symptom }, when);
      const well = await successes.decision({ service: name, labels, names: successNames(symptom) }, when);
      return {
        channels: [...channels],
        told: told.map(({ name: channel }) => channel),
        routes: [...routes],
        successes: well
          ? {
              tell: well.tell,
              told: well.told.map(({ name: channel }) => channel),
              ...(well.at && { at: well.at }),
              why: `route ${well.route} says so`,
            }
          : {
              tell: 'morning' as const,
              told: [],
              why: 'no route that fits says so; the message of the morning counts it',
            },
        ...(name !== undefined && { service: name }),
        labels,
        at: when,
      };
    },
  });
}

export function labelsOf(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((text) => {
      const at = text.indexOf('=');
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
