import type { Kysely } from 'kysely';
import { z } from 'zod';
import { Duration, ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import { naming } from '../../core/naming.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { PlaceName } from '../../core/places-rule.ts';
import { credentialText } from '../../../edge/handlers/probe/credential.ts';
import { CLOCK_MS } from '../../../edge/handlers/probe/quorum.ts';
import type { ProbesDeps } from './deps.ts';
import type { Roster } from './roster.ts';
import type { Signer } from './signing.ts';
import { silentMs } from './silence.ts';
import type { PlaceRow, PlaceTables } from './tables.ts';
import { isFor, isTold, type Telling, whyNothing } from './telling.ts';

interface OperationDeps extends Pick<ProbesDeps, 'sharedChecks' | 'baseUrl' | 'now' | 'node'> {
  readonly db: Kysely<PlaceTables>;
  readonly roster: Roster;
  readonly signing: () => Promise<Signer>;
  readonly inventory: Pick<Inventory, 'find' | 'resolve'>;
  readonly since: () => Date;
  readonly unreadable: Telling['unreadable'];
}

const SHOWN = 200;
const TOKEN_FILE = 'place.token';
const REACHED: ReadonlySet<string> = new Set(['up', 'degraded']);

const name = PlaceName.describe('What the place is called: paris, office, aws-us-east-1.');

const View = z.object({
  name: z.string(),
  state: z.enum(['invited', 'joined', 'reporting', 'unwell', 'silent']),
  message: z.string(),
  checks: z.number().int().describe('Checks that it is told of.'),
  latencyMs: z
    .number()
    .optional()
    .describe('How long what it reached last took to answer there: the middle of its checks.'),
  seenAt: z.coerce.date().optional(),
  from: z.string().optional().describe('Where its last report came from.'),
  software: z.string().optional(),
  clockOffsetMs: z.number().describe('By how much its clock is ahead of ours.'),
  backlog: z.number().int().describe('Results that waited to be sent when it last reported.'),
  dropped: z.number().int().describe('Results that it gave up because too many waited.'),
  configVersion: z.number(),
});
type View = z.output<typeof View>;

const Sighting = z.object({
  service: z.string(),
  check: z.string(),
  kind: z.string(),
  place: z.string(),
  state: z.enum(['up', 'degraded', 'down', 'unknown', 'waiting']),
  latencyMs: z.number().optional(),
  at: z.coerce.date().optional(),
  message: z.string(),
});

const History = z.object({
  at: z.coerce.date(),
  receivedAt: z.coerce.date().describe('Later where this Steward could not be reached.'),
  check: z.string(),
  state: z.enum(['up', 'degraded', 'down', 'unknown']),
  latencyMs: z.number(),
  message: z.string(),
});

/** What can be asked of places, and done about them. */
export function placeOperations(deps: OperationDeps): AnyOperation[] {
  const { db, roster, signing, sharedChecks, inventory, baseUrl, now, since, unreadable } = deps;

  async function existing(wanted: string): Promise<PlaceRow> {
    const row = await roster.byName(wanted);
    if (row) return row;
    throw new StewardError('NOT_FOUND', `There is no place '${wanted.slice(0, 100)}'.`, {
      hint: 'steward probe list shows those there are.',
    });
  }

  return [
    defineQuery({
      name: 'places',
      title: 'Places',
      summary: 'From where else services are looked at, and how each of these places is itself.',
      permission: 'read',
      input: NoInput,
      output: z.object({ items: z.array(View) }),
      cli: ['probe', 'list'],
      columns: ['name', 'state', 'checks', 'latencyMs', 'seenAt', 'clockOffsetMs', 'backlog', 'message'],
      async handle() {
        const [rows, checks, seen] = await Promise.all([
          roster.all(),
          sharedChecks(),
          db.selectFrom('place_sightings').select(['place_id', 'state', 'latency_ms']).execute(),
        ]);
        return {
          items: rows.map((row) => {
            const told = checks.filter((check) => isTold(row, check));
            const reached = seen.filter(({ place_id: id, state }) => id === row.id && REACHED.has(state));
            const latencyMs = middleOf(reached.map(({ latency_ms: each }) => each));
            return { ...viewOf(row, told.length, since(), now()), ...(latencyMs !== undefined && { latencyMs }) };
          }),
        };
      },
    }),

    defineQuery({
      name: 'place-sightings',
      title: 'What places see',
      summary: 'What each place saw last of each check that several look at.',
      permission: 'read',
      input: z.object({
        service: naming('service', z.string().min(1).max(300)).optional().describe('Of this service alone.'),
        place: PlaceName.optional().describe('By this place alone.'),
      }),
      output: z.object({ items: z.array(Sighting) }),
      cli: ['probe', 'results'],
      cliArguments: ['service'],
      columns: ['service', 'kind', 'place', 'state', 'latencyMs', 'at', 'message'],
      async handle({ service, place: by }) {
        const only = service === undefined ? undefined : await inventory.resolve(service);
        if (service !== undefined && !only)
          throw new StewardError('NOT_FOUND', `No service is called '${service}'.`, {
            hint: 'steward services lists what is known.',
          });
        const [rows, all, resources, seen] = await Promise.all([
          roster.all(),
          sharedChecks(),
          inventory.find(),
          db.selectFrom('place_sightings').selectAll().execute(),
        ]);
        const names = new Map(resources.map((resource) => [resource.id, resource.name]));
        const sightings = new Map(seen.map((row) => [`${row.place_id} ${row.check_id}`, row]));
        const checks = all.filter(({ resourceId }) => only === undefined || resourceId === only.id);
        return {
          items: checks.flatMap((check) =>
            rows
              .filter(({ name: place }) => isFor(check, place) && (by === undefined || place === by))
              .map((row) => {
                const about = {
                  service: names.get(check.resourceId) ?? check.resourceId,
                  check: check.id,
                  kind: check.target.kind,
                  place: row.name,
                };
                const sighting = sightings.get(`${row.id} ${check.id}`);
                if (!sighting)
                  return { ...about, state: 'waiting' as const, message: whyNothing(row, check, unreadable(check.id)) };
                const { state, latency_ms: latencyMs, at, message } = sighting;
                return { ...about, state, latencyMs, at, message };
              }),
          ),
        };
      },
    }),

    defineQuery({
      name: 'place-history',
      title: 'History of a place',
      summary: 'What one place saw, newest first, by its own times.',
      permission: 'read',
      input: z.object({ name, limit: z.coerce.number().int().min(1).max(1_000).default(SHOWN) }),
      output: z.object({ items: z.array(History) }),
      cli: ['probe', 'history'],
      cliArguments: ['name'],
      columns: ['at', 'check', 'state', 'latencyMs', 'message'],
      async handle({ name: wanted, limit }) {
        const { id } = await existing(wanted);
        const rows = await db
          .selectFrom('place_results')
          .selectAll()
          .where('place_id', '=', id)
          .orderBy('at', 'desc')
          .limit(limit)
          .execute();
        return {
          items: rows.map((row) => ({
            at: row.at,
            receivedAt: row.received_at,
            check: row.check_id,
            state: row.state,
            latencyMs: row.latency_ms,
            message: row.message,
          })),
        };
      },
    }),

    defineCommand({
      name: 'invite-place',
      title: 'Invite a place',
      summary:
        'Makes an invitation with which a machine elsewhere may look at services, once; an earlier one of the same name ends.',
      permission: 'administer',
      noAgents: true,
      input: z.object({
        name,
        expires: Duration.refine(
          (text) => !Duration.safeParse(text).success || (ms(text) >= 1_000 && ms(text) <= 7 * 86_400_000),
          'expected a duration from 1s to 7d, such as 30m or 1h',
        )
          .default('1d')
          .describe('How long it can be used.'),
        direct: z
          .boolean()
          .default(false)
          .describe('The token at once, for a worker or a script, which cannot use an invitation.'),
      }),
      output: z.object({
        name: z.string(),
        token: z.string().describe('Shown once.'),
        expiresAt: z.coerce.date().optional(),
        command: z.string().describe('For the other machine.'),
        note: z.string().optional(),
      }),
      examples: [{ title: 'A machine in Paris', input: { name: 'paris' } }],
      cli: ['probe', 'invite'],
      cliArguments: ['name'],
      async handle({ name: wanted, expires, direct }, { actor }) {
        if (wanted === deps.node.name)
          throw new StewardError('CONFLICT', `'${wanted}' is this machine, which is a place anyway.`, {
            hint: 'Choose another name.',
          });
        const { publicKey: key } = await signing();
        const by = actor.name;
        const until = new Date(now().getTime() + ms(expires));
        const given = direct
          ? await roster.enroll({ name: wanted, by })
          : await roster.invite({ name: wanted, by, until });
        const token = credentialText({ kind: direct ? 'token' : 'invitation', ...given, key });
        const url = baseUrl();
        return {
          name: wanted,
          token,
          ...(!direct && { expiresAt: until }),
          command: `(umask 077; printf '%s\\n' ${token} > ${TOKEN_FILE}) && npx steward probe --server ${url ?? 'https://THIS-STEWARD'} --token-file ${TOKEN_FILE}`,
          ...(url === undefined || /\/\/(localhost|127\.|\[::1\])/.test(url)
            ? { note: 'No other machine reaches this Steward yet: set server.publicUrl in steward.yaml.' }
            : {}),
        };
      },
    }),

    defineCommand({
      name: 'remove-place',
      title: 'Remove a place',
      summary: 'Its token is of no use any more, and nothing is expected of it.',
      permission: 'administer',
      noAgents: true,
      input: z.object({ name }),
      output: z.object({ name: z.string() }),
      cli: ['probe', 'remove'],
      cliArguments: ['name'],
      async handle({ name: wanted }) {
        const row = await existing(wanted);
        await roster.remove(row.id);
        return { name: row.name };
      },
    }),
  ];
}

function viewOf(row: PlaceRow, checks: number, since: Date, now: Date): View {
  const silent = silentMs(row, since, now);
  const clock = Math.abs(row.clock_offset_ms) > CLOCK_MS;
  const [state, message] = ((): [View['state'], string] => {
    if (row.token_hash === null) return ['invited', 'its invitation was not used yet'];
    if (!row.seen_at) return ['joined', 'it has not reported yet'];
    if (silent !== undefined) return ['silent', `nothing heard since ${row.seen_at.toISOString()}`];
    if (row.unwell !== null) return ['unwell', row.unwell];
    if (clock)
      return ['reporting', `its clock is off by ${Math.round(row.clock_offset_ms / 1_000)} s; its times are put right`];
    if (row.backlog === 0) return ['reporting', 'as it should be'];
    return [
      'reporting',
      row.backlog === 1 ? 'one result still waits to be sent' : `${row.backlog} results still wait to be sent`,
    ];
  })();
  return {
    name: row.name,
    state,
    message,
    checks,
    clockOffsetMs: Math.round(row.clock_offset_ms),
    backlog: row.backlog,
    dropped: row.dropped,
    configVersion: row.config_version,
    ...(row.seen_at && { seenAt: row.seen_at }),
    ...(row.from_address !== null && { from: row.from_address }),
    ...(row.software !== null && { software: row.software }),
  };
}

function middleOf(values: readonly number[]): number | undefined {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
}
