import type { Kysely } from 'kysely';
import type { Check, ProbeResult } from '../../core/check.ts';
import { subject } from '../../core/describe-target.ts';
import { ms } from '../../core/duration.ts';
import { PATH_DETAIL, type PlaceVotes } from '../../core/places.ts';
import { type PathVerdict, pathVerdict } from '../../../edge/handlers/probe/path.ts';
import { countVotes, type Quorum, type Sighting } from '../../../edge/handlers/probe/quorum.ts';
import type { PlaceTables } from './tables.ts';
import { isTold } from './telling.ts';
import type { Uplink } from './uplink.ts';
import { keepVerdict } from './verdicts.ts';

interface VotesDeps {
  readonly db: Kysely<PlaceTables>;
  /** How this node is called among the places. */
  readonly here: string;
  readonly uplink: Pick<Uplink, 'note'>;
  readonly now: () => Date;
}

/** A report may come late by so much. */
const SLACK_MS = 30_000;
const SHOWN_MESSAGE = 160;

/** Brings what this node saw and what the places saw last together, to one result of the check. */
export function createVotes({ db, here, uplink, now }: VotesDeps): PlaceVotes {
  /** Of every place that is told of the check, whether it has said anything or not. */
  async function elsewhere(check: Check, at: Date): Promise<Sighting[]> {
    const rows = await db
      .selectFrom('places as p')
      .leftJoin('place_sightings as s', (on) => on.onRef('s.place_id', '=', 'p.id').on('s.check_id', '=', check.id))
      .select(['p.name', 'p.kinds', 'p.every_ms', 'p.unwell', 's.at', 's.state', 's.latency_ms', 's.message', 's.code'])
      .where('p.removed_at', 'is', null)
      .where('p.token_hash', 'is not', null)
      // Scripts are told nothing; one of them looks at what it has spoken of.
      .where((is) => is.or([is('p.config_version', '>', 0), is('s.at', 'is not', null)]))
      .orderBy('p.name')
      .execute();
    return rows
      .filter((place) => isTold(place, check))
      .map(({ name, every_ms: everyMs, unwell, code, ...said }) => ({
        place: name,
        here: false,
        state: said.state ?? 'unknown',
        at: said.at ?? at,
        latencyMs: said.latency_ms ?? 0,
        message: said.message ?? 'it has not said anything of it yet',
        code: code ?? undefined,
        freshMs: 2 * Math.max(everyMs, ms(check.every)) + SLACK_MS,
        unwell: unwell ?? undefined,
      }));
  }

  return {
    async judge(check, seen) {
      const at = now();
      const others = seen.state === 'stopped' ? [] : await elsewhere(check, at);
      if (seen.state === 'stopped' || others.length === 0) return seen;
      const own: Sighting = {
        place: here,
        here: true,
        state: seen.state,
        at,
        latencyMs: seen.latencyMs,
        message: seen.message,
        code: typeof seen.detail['code'] === 'string' ? seen.detail['code'] : undefined,
        freshMs: Infinity,
      };
      const sightings = [own, ...others];
      const quorum = countVotes(sightings, check.places?.need, at);
      const path = pathVerdict(quorum, hostOf(check));
      uplink.note(check, own, quorum);
      await keepVerdict(db, check.id, { at, sightings, quorum, path });
      return together(seen, sightings, quorum, path);
    },
  };
}

function together(
  seen: ProbeResult,
  sightings: readonly Sighting[],
  quorum: Quorum,
  path: PathVerdict | undefined,
): ProbeResult {
  const { state, down, up, need } = quorum;
  const detail: ProbeResult['detail'] = {
    ...seen.detail,
    ...(path && { [PATH_DETAIL]: path.where, verdict: path.sentence }),
    need,
    ...Object.fromEntries(sightings.map((sighting) => [`at ${sighting.place}`, inWords(sighting, quorum)])),
  };
  const isUp = seen.state === 'up' || seen.state === 'degraded';
  // Everybody agrees, and this node says it best.
  if (state === 'up' && down.length === 0 && isUp) return { ...seen, detail };
  const counted = `${down.length} of ${down.length + up.length} places cannot reach it, ${need} ${need === 1 ? 'is' : 'are'} needed`;
  const reason = seen.state === 'down' ? seen.message : (down[0]?.message ?? seen.message);
  const message = [path?.sentence, `${counted}: ${reason}`].filter((part) => part !== undefined).join(' ');
  if (state === 'up')
    return { ...seen, state: isUp ? seen.state : 'up', message, detail, problem: isUp ? seen.problem : undefined };
  if (state === 'down') return { ...seen, state: 'down', message, detail, problem: isUp ? undefined : seen.problem };
  return { ...seen, state: 'unknown', message, detail, problem: undefined };
}

function inWords({ place, state, latencyMs, message }: Sighting, { silent }: Quorum): string {
  const without = silent.find((each) => each.place === place);
  if (without) return `no vote: ${without.why.slice(0, SHOWN_MESSAGE)}`;
  return `${state} in ${Math.round(latencyMs)} ms: ${message.slice(0, SHOWN_MESSAGE)}`;
}

function hostOf({ target }: Check): string {
  if (target.kind === 'http') return URL.parse(target.url)?.hostname ?? target.url;
  if (target.kind === 'dns') return target.name;
  return 'host' in target && typeof target.host === 'string' ? target.host : subject(target);
}
