import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import { naming } from '../../core/naming.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import { Uptime, UptimeDay } from '../../core/status-page.ts';
import type { UptimeOf } from './uptime.ts';

export interface UptimeParts {
  readonly inventory: Pick<Inventory, 'find' | 'resolve'>;
  uptime(days: number): Promise<UptimeOf>;
}

export function uptimeOperation({ inventory, uptime }: UptimeParts): AnyOperation {
  return defineQuery({
    name: 'uptime',
    title: 'Uptime',
    summary: 'Shows how much each service was up, of the time it was watched and meant to run, and day by day.',
    permission: 'read',
    input: z.object({
      service: naming('service', z.string().min(1).max(300))
        .optional()
        .describe('Only this one: its id, name or identity.'),
      days: z.number().int().min(0).max(90).default(30).describe('So many days one by one, today included.'),
    }),
    output: z.object({
      items: z.array(
        Uptime.extend({ id: z.string(), service: z.string(), days: z.array(UptimeDay).describe('The oldest first.') }),
      ),
    }),
    cliArguments: ['service'],
    columns: ['service', 'day', 'week', 'month', 'quarter'],
    async handle({ service, days }) {
      const found = service === undefined ? undefined : await inventory.resolve(service);
      if (service !== undefined && !found)
        throw new StewardError('NOT_FOUND', `No service is called '${service}'.`, {
          hint: 'steward services lists what is known.',
        });
      const [resources, of] = await Promise.all([
        found ? [found] : inventory.find({ kind: 'service', state: 'present' }),
        uptime(days),
      ]);
      return {
        items: resources
          .toSorted((a, b) => (a.name < b.name ? -1 : 1))
          .map(({ id, name }) => {
            const known = of(id);
            return { id, service: name, ...known.uptime, days: known.days };
          }),
      };
    },
  });
}
