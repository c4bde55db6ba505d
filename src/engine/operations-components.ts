import { z } from 'zod';
import { Duration, ms } from '../core/duration.ts';
import { type AnyOperation, defineCommand, defineQuery } from '../core/operation.ts';
import type { OperationDeps } from './operation-deps.ts';
import { Pause } from './operations-workflows.ts';

const component = z
  .string()
  .min(1)
  .max(200)
  .describe('What starts by itself: a workflow or a job of Steward, by its name or an alias, as in health-check.');
const reason = z.string().trim().min(1).max(500).optional();
const WHY = 'Why; it stands in the record and in the overview. What is critical takes one.';
const until = {
  for: Duration.optional().describe('How long: 2h, 7d. Without it, until it is resumed.'),
  until: z.coerce.date().optional().describe('When it is over by itself: 2027-01-04T06:00:00Z.'),
};

const State = z.object({
  component: z.string(),
  kind: z.enum(['workflow', 'job']),
  status: z.enum(['started', 'paused']),
  changed: z.boolean().describe('False where it was so already.'),
  message: z.string(),
  ifMissed: z.string().describe('What happens while it does not run.'),
  pause: Pause.optional(),
  ending: z
    .array(z.string())
    .describe('Executions of it that were told to end; what they did is taken back as they say.'),
});

const Difference = z.object({
  kind: z
    .enum(['absent', 'deleted', 'unrecorded', 'not-due'])
    .describe(
      'Due and nothing became of it; started and its execution is gone; ran unrecorded; ran without being due.',
    ),
  schedule: z.string(),
  instant: z.string(),
  execution: z.string().optional(),
  message: z.string(),
});

const Reconciliation = z.object({
  id: z.string(),
  since: z.coerce.date(),
  until: z.coerce.date(),
  at: z.coerce.date(),
  schedules: z.number().int(),
  due: z.number().int().describe('Instants that the schedules gave in that time.'),
  ran: z.number().int(),
  excused: z
    .number()
    .int()
    .describe('Left out for a reason on record: paused, stopped, missed, the last one still ran.'),
  differences: z.array(Difference),
});

/** Start, stop and pause of what starts by itself, and whether what should have run ran. */
export function componentOperations({ components, reconciler }: OperationDeps): AnyOperation[] {
  type Ask = { readonly for?: string | undefined; readonly until?: Date | undefined };
  const endOf = ({ for: length, until: end }: Ask, now: Date): Date | undefined =>
    length === undefined ? end : new Date(now.getTime() + ms(length));
  const shown = (state: Awaited<ReturnType<typeof components.resume>>) => ({ ...state, ending: [...state.ending] });

  return [
    defineCommand({
      name: 'pause-schedule',
      title: 'Pause a schedule',
      summary: 'Keeps a workflow or a job from starting by itself, by schedule or event; what runs goes on.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ component, reason: reason.describe(WHY), ...until }),
      output: State,
      examples: [
        {
          title: 'No optimizing over the holidays',
          input: { component: 'auto_optimize', reason: 'freeze', for: '7d' },
        },
      ],
      cli: ['schedule', 'pause'],
      cliArguments: ['component'],
      state: async ({ component: name }) => ({ component: components.find(name).name }),
      handle: async ({ component: name, reason: why, ...ask }, { actor, now }) =>
        shown(await components.pause(name, { actor, reason: why, until: endOf(ask, now), andEnd: false })),
    }),
    defineCommand({
      name: 'resume-schedule',
      title: 'Resume a schedule',
      summary: 'Lets a workflow or a job that was paused or stopped start by itself again.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ component }),
      output: State,
      cli: ['schedule', 'resume'],
      cliArguments: ['component'],
      handle: async ({ component: name }, { actor }) => shown(await components.resume(name, { actor })),
    }),
    defineCommand({
      name: 'stop-component',
      title: 'Stop a component',
      summary: 'Keeps a component from starting by itself, and ends what runs of it in order.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ component, reason: reason.describe(WHY), ...until }),
      output: State,
      examples: [
        { title: 'No health sweeps for an hour', input: { component: 'health-check', reason: 'move', for: '1h' } },
      ],
      paths: ['/api/v1/automation/{component}/stop'],
      cli: ['component', 'stop'],
      cliArguments: ['component'],
      handle: async ({ component: name, reason: why, ...ask }, { actor, now }) =>
        shown(await components.pause(name, { actor, reason: why, until: endOf(ask, now), andEnd: true })),
    }),
    defineCommand({
      name: 'start-component',
      title: 'Start a component',
      summary: 'Lets a component that was stopped start by itself again; one that was not stays as it is.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ component }),
      output: State,
      paths: ['/api/v1/automation/{component}/start'],
      cli: ['component', 'start'],
      cliArguments: ['component'],
      handle: async ({ component: name }, { actor }) => shown(await components.resume(name, { actor })),
    }),
    defineCommand({
      name: 'reconcile-schedules',
      title: 'Compare what ran with what should have run',
      summary:
        'Looks at every instant since the last comparison; where something is missing or too much, it is an incident.',
      permission: 'operate',
      input: z.object({ since: Duration.optional().describe('Look this far back instead: 24h, 7d.') }),
      output: Reconciliation,
      cli: ['schedule', 'reconcile'],
      async handle({ since }) {
        const report = await reconciler.reconcile({ sinceMs: since === undefined ? undefined : ms(since) });
        return { ...report, differences: [...report.differences] };
      },
    }),
    defineQuery({
      name: 'schedule-reconciliations',
      title: 'Comparisons of schedules',
      summary: 'Shows whether what should have run by the clock ran, night by night, the newest first.',
      permission: 'read',
      input: z.object({ limit: z.coerce.number().int().min(1).max(500).default(30).describe('At most this many.') }),
      output: z.object({ items: z.array(Reconciliation) }),
      cli: ['schedule', 'reconciliations'],
      columns: ['at', 'since', 'until', 'due', 'ran', 'excused', 'differences'],
      handle: async ({ limit }) => ({
        items: (await reconciler.reports(limit)).map((report) => ({ ...report, differences: [...report.differences] })),
      }),
    }),
  ];
}
