import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { Check } from '../../core/check.ts';
import { describeTarget } from '../../core/describe-target.ts';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import { naming } from '../../core/naming.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import { PlaceName } from '../../core/places-rule.ts';
import type { ProbesDeps } from './deps.ts';
import type { Roster } from './roster.ts';
import type { PlaceRow, PlaceTables, Vote } from './tables.ts';
import { isFor, isTold, type Telling, whyNothing } from './telling.ts';

interface VerdictDeps extends Pick<ProbesDeps, 'sharedChecks'> {
  readonly db: Kysely<PlaceTables>;
  readonly roster: Roster;
  readonly inventory: Pick<Inventory, 'find' | 'resolve'>;
  readonly unreadable: Telling['unreadable'];
}

const VoteView = z.object({
  place: z.string(),
  here: z.boolean().describe('The machine that watches it.'),
  state: z.enum(['up', 'degraded', 'down', 'unknown', 'waiting']),
  counts: z.boolean(),
  why: z.string().optional().describe('Why it does not count.'),
  latencyMs: z.number().optional(),
  at: z.coerce.date().optional(),
  message: z.string(),
});

const Verdict = z.object({
  service: z.string(),
  check: z.string(),
  kind: z.string(),
  target: z.string(),
  state: z.enum(['up', 'down', 'unknown']),
  need: z.number().int().optional().describe('So many have to say that it is down.'),
  path: z
    .enum(['dns', 'uplink', 'host', 'region', 'unsure'])
    .optional()
    .describe('Where on the way it fails, where it does.'),
  sentence: z.string().optional(),
  at: z.coerce.date().optional(),
  votes: z.array(VoteView),
});

const Left = z.object({
  service: z.string(),
  check: z.string(),
  kind: z.string(),
  left: z.number().int().describe('Places that look at it then, the machine that watches it among them.'),
  text: z.string(),
});

/** Who said what of a check, what came of it, and what would without one of them. */
export function verdictOperations({ db, roster, sharedChecks, inventory, unreadable }: VerdictDeps): AnyOperation[] {
  const namesOf = async (): Promise<ReadonlyMap<string, string>> =>
    new Map((await inventory.find()).map(({ id, name }) => [id, name]));

  return [
    defineQuery({
      name: 'place-verdicts',
      title: 'What places decided',
      summary: 'Of each check that several look at: what came of the last look, who said what, and whose word counted.',
      permission: 'read',
      input: z.object({
        service: naming('service', z.string().min(1).max(300)).optional().describe('Of this service alone.'),
      }),
      output: z.object({ items: z.array(Verdict) }),
      cli: ['probe', 'verdicts'],
      cliArguments: ['service'],
      columns: ['service', 'kind', 'state', 'need', 'sentence', 'at'],
      async handle({ service }) {
        const only = service === undefined ? undefined : await inventory.resolve(service);
        if (service !== undefined && !only)
          throw new StewardError('NOT_FOUND', `No service is called '${service}'.`, {
            hint: 'steward services lists what is known.',
          });
        const [places, checks, names, rows] = await Promise.all([
          roster.all(),
          sharedChecks(),
          namesOf(),
          db.selectFrom('place_verdicts').selectAll().execute(),
        ]);
        const verdicts = new Map(rows.map((row) => [row.check_id, row]));
        return {
          items: checks
            .filter(({ resourceId }) => only === undefined || resourceId === only.id)
            .map((check) => {
              // Where nobody else is told of it, what was decided before is of no account.
              const last = places.some((place) => isTold(place, check)) ? verdicts.get(check.id) : undefined;
              const { at, need, state = 'unknown' } = last ?? {};
              return {
                service: names.get(check.resourceId) ?? check.resourceId,
                check: check.id,
                kind: check.target.kind,
                target: describeTarget(check.target),
                state,
                ...(last && { at, need, path: last.path ?? undefined, sentence: last.sentence ?? undefined }),
                votes: [
                  ...(last?.votes ?? []).map(voteView),
                  ...places
                    .filter(({ name }) => isFor(check, name) && !last?.votes.some(({ place }) => place === name))
                    .map((place) => withoutWord(place, check)),
                ],
              };
            }),
        };
      },
    }),

    defineQuery({
      name: 'place-removal',
      title: 'What the removal of a place changes',
      summary: 'The checks that a place looks at, and who is left to look at each of them without it.',
      permission: 'read',
      input: z.object({ name: PlaceName }),
      output: z.object({ name: z.string(), items: z.array(Left) }),
      cli: ['probe', 'removal'],
      cliArguments: ['name'],
      columns: ['service', 'kind', 'left', 'text'],
      async handle({ name }) {
        const [places, checks, names] = await Promise.all([roster.all(), sharedChecks(), namesOf()]);
        const leaving = places.find((place) => place.name === name);
        if (!leaving)
          throw new StewardError('NOT_FOUND', `There is no place '${name}'.`, {
            hint: 'steward probe list shows those there are.',
          });
        const others = places.filter((place) => place !== leaving);
        return {
          name,
          items: checks
            .filter((check) => isTold(leaving, check))
            .map((check) => {
              const left = others.filter((place) => isTold(place, check)).length + 1;
              return {
                service: names.get(check.resourceId) ?? check.resourceId,
                check: check.id,
                kind: check.target.kind,
                left,
                text: whatIsLeft(left, check.places?.need),
              };
            }),
        };
      },
    }),
  ];

  function withoutWord(place: PlaceRow, check: Check): z.input<typeof VoteView> {
    const why = whyNothing(place, check, unreadable(check.id));
    return { place: place.name, here: false, state: 'waiting', counts: false, why, message: why };
  }
}

function voteView({ without, ...vote }: Vote): z.input<typeof VoteView> {
  return { ...vote, counts: without === undefined, ...(without !== undefined && { why: without }) };
}

function whatIsLeft(left: number, need: number | undefined): string {
  if (left === 1) return 'nobody else looks at it: what the machine that watches it sees decides';
  if (need !== undefined && need > left)
    return `${need} are to say that it is down, and ${left} can: then all of them have to`;
  return `${left} places look at it`;
}
