import { z } from 'zod';
import { formatDuration, ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Json } from '../../core/json.ts';
import { MaintenanceScope, type MaintenanceWindow, type NextInstant } from '../../core/maintenance.ts';
import { type AnyOperation, defineCommand, defineQuery } from '../../core/operation.ts';
import { redactText } from '../../core/redact.ts';
import { Schedule } from '../../core/schedule.ts';
import { type MaintenancePlan, nextOpening, windowOf } from './plans.ts';
import { toWindow } from './tables.ts';
import { newId, type Windows } from './windows.ts';
import { naming } from '../../core/naming.ts';
import { assertSpan, SpanLength, spanMembers, spanOf } from '../../core/span.ts';

export interface OperationDeps {
  readonly windows: Windows;
  readonly inventory: Pick<Inventory, 'resolve'>;
  readonly next: NextInstant;
  readonly nodes: () => Promise<readonly { readonly id: string; readonly name: string }[]>;
  readonly plans: () => Promise<readonly MaintenancePlan[]>;
  /** Called when a window may have to begin or end sooner than was thought. */
  readonly onNews: () => void;
}

const OPENINGS_SHOWN = 3;

const id = z.string().min(1).max(200).describe('Id of the window, or of the plan that opens it again and again.');

const View = z.object({
  id: z.string(),
  kind: z.enum(['once', 'recurring', 'configured', 'owned']),
  state: z.enum(['active', 'planned', 'ended', 'plan']).describe('plan: opens windows by the clock; `next` says when.'),
  reason: z.string(),
  actor: z.string(),
  covers: z.string(),
  scope: MaintenanceScope,
  startsAt: z.coerce.date().optional(),
  endsAt: z.coerce.date().optional(),
  endedAt: z.coerce.date().optional(),
  owner: z.string().optional().describe('The run for which it is open.'),
  schedule: z.string().optional(),
  duration: z.string().optional(),
  next: z.array(z.coerce.date()).optional().describe('When it opens next.'),
});
type View = z.output<typeof View>;

const CreateInput = z.object({
  reason: z.string().trim().min(1).max(500).describe('What is being done; shown wherever something is kept quiet.'),
  services: z
    .array(naming('service', z.string().min(1).max(300)))
    .max(500)
    .default([])
    .describe('Services by name, id or identity.'),
  labels: z
    .array(z.string().regex(/^[^=\s]+=.*$/s, 'expected key=value'))
    .max(100)
    .default([])
    .describe('Every service that has this label, as key=value.'),
  nodes: z
    .array(naming('node', z.string().min(1).max(200)))
    .max(100)
    .default([])
    .describe('Machines by name or id, with all there.'),
  everything: z.boolean().default(false).describe('All that Steward watches.'),
  ...spanMembers,
  cron: z.string().min(1).max(500).optional().describe('Opens again and again at these times, as in "0 2 * * sun".'),
  onCalendar: z.string().min(1).max(500).optional().describe('The same as in a systemd timer: "Sun *-*-* 02:00".'),
  zone: z.string().max(100).default('UTC').describe('Time zone of these times, as in Europe/Berlin.'),
});

/** What can be asked and changed about maintenance windows. */
export function maintenanceOperations(deps: OperationDeps): AnyOperation[] {
  const { windows, next, plans, onNews } = deps;
  const { db } = windows;

  async function planView(plan: MaintenancePlan, now: Date): Promise<View> {
    const openings: Date[] = [];
    for (
      let at = nextOpening(plan, now, next);
      at && openings.length < OPENINGS_SHOWN;
      at = nextOpening(plan, at, next)
    )
      openings.push(at);
    const { when } = plan;
    return {
      id: plan.id,
      kind: plan.kind,
      state: 'plan',
      reason: plan.reason,
      actor: plan.actor,
      covers: inWords(plan.scope),
      scope: plan.scope,
      ...('schedule' in when && {
        schedule: `${when.schedule.cron ?? when.schedule.onCalendar} (${when.schedule.zone})`,
        duration: when.duration,
      }),
      next: openings,
    };
  }

  async function found(wanted: string): Promise<{ window?: MaintenanceWindow; plan?: MaintenancePlan }> {
    const window = await windows.get(wanted);
    if (window) return { window };
    const plan = (await plans()).find((each) => each.id === wanted);
    if (plan) return { plan };
    throw new StewardError('NOT_FOUND', `There is no maintenance window ${wanted}.`, {
      hint: 'steward maintenance list shows those there are.',
    });
  }

  const state = async ({ id: wanted }: { readonly id: string }): Promise<Json | undefined> => {
    const { window, plan } = await found(wanted).catch(() => ({ window: undefined, plan: undefined }));
    if (window) return { endsAt: window.endsAt.toISOString(), endedAt: window.endedAt?.toISOString() ?? null };
    return plan && { plan: plan.id };
  };

  return [
    defineQuery({
      name: 'maintenance',
      title: 'Maintenance windows',
      summary: 'Lists the windows that are open or planned, and what opens them again and again.',
      permission: 'read',
      input: z.object({
        ended: z.stringbool().or(z.boolean()).default(false).describe('Also the latest of those that are over.'),
        limit: z.coerce.number().int().min(1).max(500).default(100).describe('At most this many that are over.'),
      }),
      output: z.object({ items: z.array(View) }),
      cli: ['maintenance', 'list'],
      columns: ['id', 'state', 'covers', 'reason', 'startsAt', 'endsAt', 'schedule', 'duration'],
      async handle({ ended, limit }, { now }) {
        const open = await db
          .selectFrom('maintenance_windows')
          .selectAll()
          .where('ended_at', 'is', null)
          .orderBy('starts_at')
          .execute();
        const over = ended
          ? await db
              .selectFrom('maintenance_windows')
              .selectAll()
              .where('ended_at', 'is not', null)
              .orderBy('starts_at', 'desc')
              .limit(limit)
              .execute()
          : [];
        const recurring = await Promise.all((await plans()).map((plan) => planView(plan, now)));
        return { items: [...[...open, ...over].map((row) => windowView(toWindow(row), now)), ...recurring] };
      },
    }),

    defineCommand({
      name: 'create-maintenance',
      title: 'Open a maintenance window',
      summary:
        'Keeps quiet what is being worked on: no incident, no alert and no healing until it ends; probing goes on.',
      permission: 'operate',
      // Nobody is told of what is covered; that is for people to decide, and for what Steward itself does.
      noAgents: true,
      input: CreateInput,
      output: View,
      examples: [
        { title: 'One service for half an hour', input: { reason: 'new disk', services: ['shop-db'], for: '30m' } },
        {
          title: 'Every Sunday night',
          input: { reason: 'updates', everything: true, cron: '0 2 * * sun', zone: 'Europe/Berlin', for: '2h' },
        },
      ],
      cli: ['maintenance', 'create'],
      async handle(input, { actor, now }) {
        const scope = await scopeOf(input, deps);
        if (input.cron !== undefined || input.onCalendar !== undefined) {
          const plan = planOf(input, scope, { actor: actor.name, now });
          await db
            .insertInto('maintenance_plans')
            .values({
              id: plan.id,
              reason: redactText(plan.reason),
              actor: plan.actor,
              scope: JSON.stringify(scope),
              schedule: JSON.stringify(plan.when.schedule),
              duration: plan.when.duration,
              created_at: now,
              removed_at: null,
            })
            .execute();
          onNews();
          return await planView(plan, now);
        }
        const { from, until } = spanOf(input, now);
        const window = await windows.open({
          kind: 'once',
          reason: input.reason,
          actor: actor.name,
          scope,
          startsAt: from,
          endsAt: until,
        });
        onNews();
        return windowView(window, now);
      },
    }),

    defineCommand({
      name: 'end-maintenance',
      title: 'End a maintenance window',
      summary: 'Ends an open window, takes back a planned one, or removes what opens windows again and again.',
      permission: 'operate',
      noAgents: true,
      state,
      input: z.object({ id }),
      output: View,
      cli: ['maintenance', 'end'],
      cliArguments: ['id'],
      async handle({ id: wanted }, { now }) {
        const { window, plan } = await found(wanted);
        if (plan) {
          if (plan.kind === 'configured')
            throw new StewardError('PRECONDITION_FAILED', `'${plan.reason}' is written in steward.yaml.`, {
              hint: 'Take it out of maintenance: there, or end the window that it has open.',
            });
          const view = await planView(plan, now);
          await db.updateTable('maintenance_plans').set({ removed_at: now }).where('id', '=', wanted).execute();
          const open = windowOf(plan, now, next);
          if (open) await windows.end(open.id, now);
          onNews();
          return { ...view, state: 'ended' as const, endedAt: now, next: [] };
        }
        if (window?.endedAt !== undefined || !(await windows.end(wanted, now)))
          throw new StewardError('PRECONDITION_FAILED', `The window ${wanted} is over already.`, {
            hint: 'Nothing is left to end.',
          });
        onNews();
        return windowView({ ...(window as MaintenanceWindow), endedAt: now }, now);
      },
    }),

    defineCommand({
      name: 'extend-maintenance',
      title: 'Extend a maintenance window',
      summary: 'Lets an open or planned window last longer, or until another time.',
      permission: 'operate',
      noAgents: true,
      state,
      input: z.object({
        id,
        by: SpanLength.optional().describe('How much longer than planned.'),
        until: z.coerce.date().optional().describe('When it ends; instead of a length.'),
      }),
      output: View,
      cli: ['maintenance', 'extend'],
      cliArguments: ['id'],
      async handle({ id: wanted, by, until }, { now }) {
        const { window } = await found(wanted);
        if (!window)
          throw new StewardError('PRECONDITION_FAILED', `${wanted} opens windows; it has no end to move.`, {
            hint: 'Extend the window that it has open: steward maintenance list.',
          });
        if ((by === undefined) === (until === undefined))
          throw StewardError.invalid([{ path: 'by', message: 'expected either by or until' }]);
        const end = until ?? new Date(window.endsAt.getTime() + ms(by ?? '0s'));
        assertSpan(window.startsAt, end, now, 'until');
        const extended = await windows.extend(wanted, end);
        if (!extended)
          throw new StewardError('PRECONDITION_FAILED', `The window ${wanted} is over already.`, {
            hint: 'Open another: steward maintenance create.',
          });
        onNews();
        return windowView(extended, now);
      },
    }),
  ];
}

function windowView({ endedAt, ...window }: MaintenanceWindow, now: Date): View {
  const state = endedAt !== undefined || window.endsAt <= now ? 'ended' : window.startsAt > now ? 'planned' : 'active';
  return {
    ...window,
    state,
    covers: inWords(window.scope),
    duration: formatDuration((endedAt ?? window.endsAt).getTime() - window.startsAt.getTime()),
    ...(endedAt && { endedAt }),
  };
}

function inWords({ everything, services, labels, nodes, within }: MaintenanceScope): string {
  const parts = everything
    ? [within === undefined ? 'everything' : 'everything on its machine']
    : [...services, ...labels, ...nodes.map((node) => `all on ${node}`)];
  return parts.join(', ');
}

type CreateInput = z.output<typeof CreateInput>;

/** What is named must be there: a slip of the pen would otherwise cover nothing, and be noticed at night. */
async function scopeOf(input: CreateInput, { inventory, nodes }: OperationDeps): Promise<MaintenanceScope> {
  const { everything, labels } = input;
  if (!everything && [input.services, labels, input.nodes].every((list) => list.length === 0))
    throw StewardError.invalid([
      { path: 'services', message: 'expected what is worked on: services, labels, nodes or everything' },
    ]);
  const machines = input.nodes.length > 0 ? await nodes() : [];
  const problems = [
    ...(await Promise.all(
      input.services.map(async (name, index) =>
        (await inventory.resolve(name))
          ? []
          : [{ path: `services.${index}`, message: `there is no service '${name}'` }],
      ),
    )),
    ...input.nodes.map((name, index) =>
      machines.some((machine) => machine.name === name || machine.id === name)
        ? []
        : [{ path: `nodes.${index}`, message: `there is no machine '${name}'` }],
    ),
  ].flat();
  if (problems.length > 0) throw StewardError.invalid(problems);
  return { everything, services: [...input.services], labels: [...labels], nodes: [...input.nodes] };
}

function planOf(
  { reason, cron, onCalendar, zone, for: duration, until, from }: CreateInput,
  scope: MaintenanceScope,
  { actor, now }: { actor: string; now: Date },
) {
  if (duration === undefined || until !== undefined || from !== undefined)
    throw StewardError.invalid([
      { path: 'for', message: 'expected for what recurs how long each window lasts, and no other end' },
    ]);
  const { data: schedule, error } = Schedule.safeParse({ cron, onCalendar, zone });
  if (!schedule)
    throw StewardError.invalid(
      error.issues.map(({ path, message }) => ({ path: path.map(String).join('.') || 'cron', message })),
    );
  return {
    id: `plan_${newId(now).slice(4)}`,
    kind: 'recurring' as const,
    reason,
    actor,
    scope,
    when: { schedule, duration },
  };
}
