import { z } from 'zod';
import { Duration, formatDuration, ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { Signal } from '../../core/heartbeat.ts';
import type { NextInstant } from '../../core/maintenance.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { Schedule } from '../../core/schedule.ts';
import { type Book, hashOf, newToken } from './book.ts';
import { judge } from './judge.ts';
import { factsOf, type HeartbeatRow } from './tables.ts';

export interface OperationDeps {
  readonly book: Book;
  readonly next: NextInstant;
  readonly now: () => Date;
  readonly provision: () => 'adopted' | 'pending' | 'off';
  readonly baseUrl: () => string | undefined;
  readonly changed: () => Promise<void>;
  readonly taken: (row: HeartbeatRow) => Promise<void>;
}

const PINGS_SHOWN = 20;
const GRACE = '1h';

const name = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'expected letters, digits, dots, - and _, at most 63')
  .describe('What the job is called.');
const length = Duration.refine(
  (text) => !Duration.safeParse(text).success || (ms(text) >= 1_000 && ms(text) <= 366 * 86_400_000),
  'expected between 1s and 366d',
);
const timing = {
  every: length.optional().describe('It is expected once within this time.'),
  cron: z.string().max(500).optional().describe('Or: it is expected at these times, "30 2 * * *".'),
  onCalendar: z.string().max(500).optional().describe('Or: at these times, as in a systemd timer.'),
  zone: z.string().max(100).default('UTC').describe('Time zone of these times, as in Europe/Berlin.'),
  grace: length.default(GRACE).describe('How much later it may be.'),
  maxRun: length.optional().describe('How long it may run after it said that it begins; by default as long as grace.'),
  noSooner: length.optional().describe('Between two successes lies at least this much; sooner is a sign of trouble.'),
  critical: z.boolean().default(false).describe('Alerts about it are not held back.'),
};

const View = z.object({
  name: z.string(),
  state: z.enum(['waiting', 'up', 'started', 'late', 'too-often', 'down', 'unknown', 'paused']),
  message: z.string(),
  expected: z.string().describe('How often.'),
  grace: z.string(),
  dueAt: z.coerce.date().optional(),
  lastPingAt: z.coerce.date().optional(),
  lastSuccessAt: z.coerce.date().optional(),
  lastDuration: z.string().optional(),
  lastExitCode: z.number().int().optional(),
  origin: z.enum(['made', 'configured', 'provisioned']),
  adoption: z.enum(['adopted', 'pending']),
});
type View = z.output<typeof View>;

const Address = View.extend({
  url: z.string().describe('Whoever knows it can speak for the job. It is shown this once.'),
  curl: z.string().describe('For the end of the crontab line.'),
});

const PingView = z.object({
  at: z.coerce.date(),
  signal: Signal,
  exitCode: z.number().int().optional(),
  duration: z.string().optional(),
  from: z.string(),
  body: z.string().optional().describe('What the job said; text of a stranger, cut.'),
});

/** What can be asked of heartbeats, and done about them. */
export function heartbeatOperations({
  book,
  next,
  now,
  provision,
  baseUrl,
  changed,
  taken,
}: OperationDeps): AnyOperation[] {
  const view = (row: HeartbeatRow): View => viewOf(row, now(), next);

  async function existing(wanted: string): Promise<HeartbeatRow> {
    const row = await book.byName(wanted);
    if (row) return row;
    throw new StewardError('NOT_FOUND', `There is no heartbeat '${wanted.slice(0, 100)}'.`, {
      hint: 'steward heartbeat list shows those there are.',
    });
  }

  function addressOf(row: HeartbeatRow, token: string): z.output<typeof Address> {
    const url = `${(baseUrl() ?? '').replace(/\/$/, '')}/api/v1/heartbeats/${token}`;
    return { ...view(row), url, curl: `curl -fsS -m 10 --retry 5 -o /dev/null ${url}` };
  }

  const scheduleOf = (input: {
    every?: string | undefined;
    cron?: string | undefined;
    onCalendar?: string | undefined;
    zone: string;
  }): Schedule => {
    const { every, cron, onCalendar, zone } = input;
    const { data, error } = Schedule.safeParse({ every, cron, onCalendar, zone });
    if (data) return data;
    throw StewardError.invalid(
      error.issues.map(({ path, message }) => ({ path: path.map(String).join('.') || 'every', message })),
    );
  };

  const one = z.object({ name });
  const state = async ({ name: wanted }: { readonly name: string }) => {
    const row = await book.byName(wanted);
    return row && { paused: row.paused_at !== null, adoption: row.adoption };
  };

  return [
    defineQuery({
      name: 'heartbeats',
      title: 'Heartbeats',
      summary: 'Jobs outside Steward that tell of themselves: how each is, and when it is expected next.',
      permission: 'read',
      input: NoInput,
      output: z.object({ items: z.array(View) }),
      cli: ['heartbeat', 'list'],
      columns: ['name', 'state', 'expected', 'lastPingAt', 'lastDuration', 'message'],
      async handle() {
        return { items: (await book.all()).map(view) };
      },
    }),

    defineQuery({
      name: 'heartbeat-get',
      title: 'One heartbeat',
      summary: 'Shows a heartbeat with what its job said last.',
      permission: 'read',
      input: one,
      output: View.extend({ pings: z.array(PingView) }),
      cli: ['heartbeat', 'show'],
      cliArguments: ['name'],
      async handle({ name: wanted }) {
        const row = await existing(wanted);
        const pings = await book.db
          .selectFrom('heartbeat_pings')
          .selectAll()
          .where('heartbeat_id', '=', row.id)
          .orderBy('id', 'desc')
          .limit(PINGS_SHOWN)
          .execute();
        return {
          ...view(row),
          pings: pings.map((ping) => ({
            at: ping.at,
            signal: ping.signal,
            from: ping.from_address,
            ...(ping.exit_code !== null && { exitCode: ping.exit_code }),
            ...(ping.duration_ms !== null && { duration: formatDuration(ping.duration_ms) }),
            ...(ping.body !== null && { body: ping.body }),
          })),
        };
      },
    }),

    defineCommand({
      name: 'create-heartbeat',
      title: 'Create a heartbeat',
      summary: 'Expects a job outside Steward to tell of itself, and gives the address for its crontab line.',
      permission: 'operate',
      input: z.object({ name, ...timing }),
      output: Address,
      examples: [{ title: 'A nightly backup', input: { name: 'nightly-backup', every: '1d', grace: '1h' } }],
      cli: ['heartbeat', 'create'],
      cliArguments: ['name'],
      async handle(input, { actor }) {
        const token = newToken();
        const row = await book.add({
          ...valuesOf(input, scheduleOf(input)),
          token,
          origin: 'made',
          adoption: 'adopted',
          created_by: actor.name,
        });
        if (!row)
          throw new StewardError('CONFLICT', `There is a heartbeat '${input.name}' already.`, {
            hint: `steward heartbeat address ${input.name} gives it a new address.`,
          });
        await changed();
        return addressOf(row, token);
      },
    }),

    defineCommand({
      name: 'renew-heartbeat-address',
      title: 'New address of a heartbeat',
      summary: 'Gives the job a new address; the one before it is of no use any more.',
      permission: 'operate',
      noAgents: true,
      input: one,
      output: Address,
      cli: ['heartbeat', 'address'],
      cliArguments: ['name'],
      async handle({ name: wanted }) {
        const row = await existing(wanted);
        const token = newToken();
        await book.change(row.id, { token_hash: hashOf(token) });
        return addressOf(row, token);
      },
    }),

    defineCommand({
      name: 'ping-heartbeat',
      title: 'Tell of a job',
      summary:
        'Says that a job began, went well or failed. A name that nobody made before is made, where `every` or `cron` says when it comes.',
      permission: 'operate',
      input: z.object({
        name,
        ...timing,
        signal: Signal.default('success').describe('What it says.'),
        exitCode: z.coerce
          .number()
          .int()
          .min(0)
          .max(255)
          .optional()
          .describe('Its exit code; anything but 0 is a failure.'),
        body: z.string().max(100_000).optional().describe('What it had to say.'),
      }),
      output: View,
      cli: ['heartbeat', 'ping'],
      cliArguments: ['name'],
      async handle(input, { actor, from }) {
        if (!(await book.byName(input.name))) {
          const adoption = provision();
          const told = input.every !== undefined || input.cron !== undefined || input.onCalendar !== undefined;
          if (adoption === 'off' || !told)
            throw new StewardError('NOT_FOUND', `There is no heartbeat '${input.name}'.`, {
              hint:
                adoption === 'off'
                  ? 'Make it first: steward heartbeat create.'
                  : 'Say how often it comes, every=1d, and it is made.',
            });
          await book.add({
            ...valuesOf(input, scheduleOf(input)),
            origin: 'provisioned',
            adoption,
            created_by: actor.name,
          });
          await changed();
        }
        const signal = input.exitCode === undefined ? input.signal : input.exitCode === 0 ? 'success' : 'fail';
        const row = await book.ping({ name: input.name }, { signal, exitCode: input.exitCode, body: input.body, from });
        if (!row) throw new StewardError('CONFLICT', `The heartbeat '${input.name}' was removed a moment ago.`);
        await taken(row);
        return view(row);
      },
    }),

    ...(
      [
        ['pause', 'Pauses', 'Nothing is expected of it until it is resumed.', () => ({ paused_at: now() })],
        [
          'resume',
          'Resumes',
          'It is expected again from now on.',
          () => ({ paused_at: null, anchor_at: now(), started_at: null, adoption: 'adopted' as const }),
        ],
        ['remove', 'Removes', 'Its address answers no more.', () => ({ removed_at: now() })],
      ] as const
    ).map(([verb, title, summary, values]) =>
      defineCommand({
        name: `${verb}-heartbeat`,
        title: `${title} a heartbeat`,
        summary: verb === 'resume' ? `${summary} Adopts one that waits for that.` : summary,
        permission: 'operate',
        // What nobody expects any more is not missed either.
        noAgents: true,
        state,
        input: one,
        output: View,
        cli: ['heartbeat', verb],
        cliArguments: ['name'],
        async handle({ name: wanted }) {
          const row = await existing(wanted);
          if (verb === 'remove' && row.origin === 'configured')
            throw new StewardError('PRECONDITION_FAILED', `'${wanted}' is written in steward.yaml.`, {
              hint: 'Take it out of heartbeats.jobs there.',
            });
          await book.change(row.id, values());
          await changed();
          const after = { ...row, ...values() };
          await taken(after);
          return view(after);
        },
      }),
    ),
  ];
}

interface Timing {
  readonly name: string;
  readonly grace: string;
  readonly maxRun?: string | undefined;
  readonly noSooner?: string | undefined;
  readonly critical: boolean;
}

function valuesOf({ name: called, grace, maxRun, noSooner, critical }: Timing, schedule: Schedule) {
  return {
    name: called,
    schedule,
    grace_ms: ms(grace),
    max_run_ms: maxRun === undefined ? null : ms(maxRun),
    min_gap_ms: noSooner === undefined ? null : ms(noSooner),
    critical,
  };
}

function viewOf(row: HeartbeatRow, at: Date, next: NextInstant): View {
  const { state, message, dueAt } = judge(factsOf(row), at, next);
  const { every, cron, onCalendar, zone } = row.schedule;
  return {
    name: row.name,
    state,
    message,
    expected: every === undefined ? `${cron ?? onCalendar} (${zone})` : `every ${every}`,
    grace: formatDuration(row.grace_ms),
    origin: row.origin,
    adoption: row.adoption,
    ...(dueAt && { dueAt }),
    ...(row.last_ping_at && { lastPingAt: row.last_ping_at }),
    ...(row.last_success_at && { lastSuccessAt: row.last_success_at }),
    ...(row.last_duration_ms !== null && { lastDuration: formatDuration(row.last_duration_ms) }),
    ...(row.last_exit_code !== null && { lastExitCode: row.last_exit_code }),
  };
}
