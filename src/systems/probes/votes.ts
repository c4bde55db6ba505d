import type { Kysely } from 'kysely';
import type { Check, ProbeResult } from '../../core/check.ts';
import { subject } from '../../core/describe-target.ts';
import { ms } from '../../core/duration.ts';
import { PATH_DETAIL, type PlaceVotes } from '../../core/places.ts';
import { type PathVerdict, pathVerdict } from '../../../edge/handlers/probe/path.ts';
import { countVotes, type Quorum, type Sighting, type Way } from '../../../edge/handlers/probe/quorum.ts';
import type { ProbesDeps } from './deps.ts';
import type { PlaceRow, PlaceTables } from './tables.ts';
import { lastWord, silentMs } from './silence.ts';
import { isTold } from './telling.ts';
import type { Uplink } from './uplink.ts';
import { keepVerdict } from './verdicts.ts';

interface VotesDeps extends Pick<ProbesDeps, 'wayTo' | 'whereIs'> {
  readonly db: Kysely<PlaceTables>;
  /** How this node is called among the places. */
  readonly here: string;
  readonly uplink: Pick<Uplink, 'note'>;
  /** Since when this node can hear. */
  readonly since: () => Date;
  readonly now: () => Date;
}

/** A report may come late by so much. */
const SLACK_MS = 30_000;
const SHOWN_MESSAGE = 160;

/** Brings what this node saw and what the places saw last together, to one result of the check. */
export function createVotes({ db, here, uplink, since, wayTo, whereIs, now }: VotesDeps): PlaceVotes {
  /** Since when each check fails here. */
  const failing = new Map<string, Date>();

  /** Of every place that is told of the check, whether it has said anything or not. */
  const placesOf = (check: Check) =>
    db
      .selectFrom('places as p')
      .leftJoin('place_sightings as s', (on) => on.onRef('s.place_id', '=', 'p.id').on('s.check_id', '=', check.id))
      .select([
        'p.name',
        'p.kinds',
        'p.every_ms',
        'p.unwell',
        'p.seen_at',
        'p.well_at',
        'p.joined_at',
        'p.from_address',
        's.at',
        's.state',
        's.latency_ms',
        's.message',
        's.code',
      ])
      .where('p.removed_at', 'is', null)
      .where('p.token_hash', 'is not', null)
      // Scripts are told nothing; one of them looks at what it has spoken of.
      .where((is) => is.or([is('p.config_version', '>', 0), is('s.at', 'is not', null)]))
      .orderBy('p.name')
      .execute();

  type Place = Awaited<ReturnType<typeof placesOf>>[number];

  function sightingOf({ name, every_ms: everyMs, unwell, code, ...said }: Place, check: Check, at: Date): Sighting {
    const heard = { every_ms: everyMs, seen_at: lastWord(said) };
    return {
      place: name,
      here: false,
      state: said.state ?? 'unknown',
      at: said.at ?? at,
      latencyMs: said.latency_ms ?? 0,
      message: said.message ?? 'it has not said anything of it yet',
      code: code ?? undefined,
      freshMs: 2 * Math.max(everyMs, ms(check.every)) + SLACK_MS,
      unwell: unwell ?? undefined,
      lapsed: silentMs(heard, since(), at) !== undefined,
    };
  }

  /** What is known of this machine's own way to it, while it fails here. */
  async function ownWay(check: Check, seen: ProbeResult, places: readonly Place[], at: Date): Promise<Way | undefined> {
    if (seen.state === 'up' || seen.state === 'degraded') {
      failing.delete(check.id);
      return undefined;
    }
    const from = failing.get(check.id) ?? at;
    failing.set(check.id, from);
    const known = await wayTo(check.target);
    if (known !== undefined) return known;
    // Who was heard from outside since it fails came by the uplink.
    return places.some((place) => isHeardFromOutside(place, from)) ? 'open' : undefined;
  }

  function isHeardFromOutside(
    { seen_at: seenAt, from_address: from }: Pick<PlaceRow, 'seen_at' | 'from_address'>,
    after: Date,
  ): boolean {
    return seenAt !== null && seenAt > after && from !== null && whereIs(from) === 'outside';
  }

  return {
    async judge(check, seen) {
      const at = now();
      const places = seen.state === 'stopped' ? [] : await placesOf(check);
      const others = places.filter((place) => isTold(place, check)).map((place) => sightingOf(place, check, at));
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
        way: await ownWay(check, seen, places, at),
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
