import { type Kysely, sql } from 'kysely';
import { formatDuration } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { HealthcheckAnswer, PlaceReport, PlaceReportAnswer } from '../../core/place-messages.ts';
import { CLOCK_MS } from '../../../edge/handlers/probe/quorum.ts';
import type { ProbesSettings } from './deps.ts';
import { EVERY_MS, type Roster } from './roster.ts';
import type { PlaceRow, PlaceTables } from './tables.ts';
import type { Telling } from './telling.ts';
import { servicesOf } from './service-names.ts';
import { parseHealthcheck, parseReport } from './wire.ts';

interface IntakeDeps {
  readonly db: Kysely<PlaceTables>;
  readonly roster: Pick<Roster, 'authenticate'>;
  readonly telling: Telling;
  readonly inventory: Pick<Inventory, 'find'>;
  readonly settings: () => Pick<ProbesSettings, 'reportMs'>;
  readonly keepMs: () => number;
  readonly now: () => Date;
  readonly log: Log;
}

export interface Intake {
  report(token: string, report: unknown, from: string): Promise<PlaceReportAnswer>;
  healthcheck(token: string, results: unknown, from: string): Promise<HealthcheckAnswer>;
}

/** Takes what places saw: each result once, and only of checks that the place was told of. */
export function createIntake({ db, roster, telling, inventory, settings, keepMs, now, log }: IntakeDeps): Intake {
  async function keep(
    place: PlaceRow,
    results: PlaceReport['results'],
    offsetMs: number,
  ): Promise<Pick<PlaceReportAnswer, 'taken' | 'ahead'>> {
    const at = now();
    const told = new Set((await telling.checksOf(place)).map(({ id }) => id));
    const future = new Date(at.getTime() + CLOCK_MS);
    const corrected = results.map((result) => ({ ...result, at: timeOf(result, offsetMs) }));
    const come = corrected.filter((result) => result.at <= future);
    const ahead = corrected.length - come.length;
    if (ahead > 0)
      log.warn('results of a place are of a time that has not come, and are dropped', {
        place: place.name,
        results: ahead,
      });
    const answer = (taken: number) => ({ taken, ...(ahead > 0 && { ahead }) });
    const oldest = at.getTime() - keepMs();
    const rows = come
      .filter(({ check }) => told.has(check))
      .filter((result) => result.at.getTime() >= oldest)
      .map(({ id, check, at: seen, state, latencyMs, message, code }) => ({
        result_id: id,
        check_id: check,
        at: seen < at ? seen : at,
        state,
        latency_ms: latencyMs,
        message,
        code: code ?? null,
      }));
    if (rows.length === 0) return answer(0);
    await sql`with given as (
        select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
          as r (result_id text, check_id text, at timestamptz, state text, latency_ms real, message text, code text)),
      stored as (
        insert into place_results (place_id, result_id, check_id, at, received_at, state, latency_ms, message, code)
        select ${place.id}, result_id, check_id, at, ${at}, state, latency_ms, message, code from given
        on conflict do nothing)
      insert into place_sightings as s (place_id, check_id, at, state, latency_ms, message, code)
      select distinct on (check_id) ${place.id}, check_id, at, state, latency_ms, message, code from given order by check_id, at desc
      on conflict (check_id, place_id) do update set at = excluded.at, state = excluded.state, latency_ms = excluded.latency_ms,
        message = excluded.message, code = excluded.code where excluded.at > s.at or s.at > ${future}`.execute(db);
    return answer(rows.length);
  }

  async function heard(place: PlaceRow, from: string, said: Partial<PlaceReport>, offsetMs: number): Promise<void> {
    const { everyMs = place.every_ms, software, kinds = place.kinds, backlog = 0, dropped = 0, unwell } = said;
    await db
      .updateTable('places')
      .set({
        seen_at: now(),
        from_address: from,
        // For how long its word counts is not for it to say.
        every_ms: Math.min(everyMs, Math.max(settings().reportMs, EVERY_MS)),
        ...(software !== undefined && { software }),
        kinds: JSON.stringify(kinds),
        clock_offset_ms: offsetMs,
        backlog,
        dropped,
        unwell: unwell ?? null,
        ...(unwell === undefined && { well_at: now() }),
      })
      .where('id', '=', place.id)
      .execute();
  }

  return {
    async report(token, given, from) {
      const place = await roster.authenticate(token);
      const report = parseReport(given);
      const offsetMs = report.sentAt.getTime() - now().getTime();
      await heard(place, from, report, offsetMs);
      const able = { ...place, kinds: [...report.kinds] };
      const kept = await keep(able, report.results, offsetMs);
      const config = await telling.configFor(able, report.have).catch((thrown: unknown) => {
        const { code, message } = StewardError.from(thrown);
        log.error('a place could not be given its configuration', { place: place.name, code, reason: message });
        return undefined;
      });
      return { ...kept, ...(config && { config }) };
    },

    async healthcheck(token, given, from) {
      const place = await roster.authenticate(token);
      const { timestamp, results } = parseHealthcheck(given);
      refuseFuture(timestamp, now());
      const { services, ambiguous } = await servicesOf(await telling.checksOf(place), inventory);
      await heard(place, from, {}, 0);
      const known = results.flatMap((result) => {
        const check = services.get(result.service);
        return check ? [{ ...result, check: check.id }] : [];
      });
      const { taken } = await keep(
        place,
        known.map(({ check, healthy, latency }) => ({
          id: `${timestamp.getTime()}:${check}`,
          check,
          at: timestamp,
          state: healthy ? 'up' : 'down',
          latencyMs: latency ?? 0,
          message: healthy ? 'healthy' : 'not healthy',
        })),
        0,
      );
      const unknown = results.filter(({ service }) => !services.has(service)).map(({ service }) => service);
      const several = ambiguous.filter(({ service }) => unknown.includes(service));
      return { taken, unknown, ...(several.length > 0 && { ambiguous: several }) };
    },
  };
}

/** By its own time where that may be believed. */
function timeOf({ at }: PlaceReport['results'][number], offsetMs: number): Date {
  return Math.abs(offsetMs) > CLOCK_MS ? new Date(at.getTime() - offsetMs) : at;
}

/** A script does not say what its clock shows now, so nothing can put its times right. */
function refuseFuture(timestamp: Date, now: Date): void {
  const ahead = timestamp.getTime() - now.getTime();
  if (ahead <= CLOCK_MS) return;
  const path = 'healthcheck.timestamp';
  throw StewardError.invalid([
    { path, message: `${formatDuration(ahead)} ahead of the clock here, expected the time of the look` },
  ]);
}
