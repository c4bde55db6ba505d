import { type Kysely, sql } from 'kysely';
import type { Check } from '../../core/check.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { ReportAnswer } from '../../../edge/handlers/probe/messages.ts';
import { CLOCK_MS } from '../../../edge/handlers/probe/quorum.ts';
import type { Roster } from './roster.ts';
import type { PlaceRow, PlaceTables } from './tables.ts';
import type { Telling } from './telling.ts';
import { parseHealthcheck, parseReport, type Report, type Result } from './wire.ts';

interface IntakeDeps {
  readonly db: Kysely<PlaceTables>;
  readonly roster: Pick<Roster, 'authenticate'>;
  readonly telling: Telling;
  readonly inventory: Pick<Inventory, 'find'>;
  readonly keepMs: () => number;
  readonly now: () => Date;
}

export interface Intake {
  report(token: string, report: unknown, from: string): Promise<ReportAnswer>;
  healthcheck(token: string, results: unknown, from: string): Promise<{ taken: number; unknown: string[] }>;
}

/** Takes what places saw: each result once, and only of checks that the place was told of. */
export function createIntake({ db, roster, telling, inventory, keepMs, now }: IntakeDeps): Intake {
  async function keep(place: PlaceRow, results: readonly Result[], offsetMs: number): Promise<number> {
    const at = now();
    const told = new Set((await telling.checksOf(place)).map(({ id }) => id));
    const oldest = at.getTime() - keepMs();
    const rows = results
      .filter(({ check }) => told.has(check))
      .map((result) => ({ ...result, at: timeOf(result, offsetMs, at) }))
      .filter((result) => result.at.getTime() >= oldest)
      .map(({ id, check, at: seen, state, latencyMs, message, code }) => ({
        result_id: id,
        check_id: check,
        at: seen,
        state,
        latency_ms: latencyMs,
        message,
        code: code ?? null,
      }));
    if (rows.length === 0) return 0;
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
        message = excluded.message, code = excluded.code where excluded.at > s.at`.execute(db);
    return rows.length;
  }

  async function heard(place: PlaceRow, from: string, said: Partial<Report>, offsetMs: number): Promise<void> {
    const { everyMs = place.every_ms, software, kinds = place.kinds, backlog = 0, dropped = 0, unwell } = said;
    await db
      .updateTable('places')
      .set({
        seen_at: now(),
        from_address: from,
        every_ms: everyMs,
        ...(software !== undefined && { software }),
        kinds: JSON.stringify(kinds),
        clock_offset_ms: offsetMs,
        backlog,
        dropped,
        unwell: unwell ?? null,
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
      const taken = await keep(able, report.results, offsetMs);
      const config = await telling.configFor(able, report.have);
      return { taken, ...(config && { config }) };
    },

    async healthcheck(token, given, from) {
      const place = await roster.authenticate(token);
      const { timestamp, results } = parseHealthcheck(given);
      const services = await servicesOf(await telling.checksOf(place), inventory);
      await heard(place, from, {}, 0);
      const known = results.filter(({ service }) => services.has(service));
      const taken = await keep(
        place,
        known.map(({ service, healthy, latency }) => ({
          id: `${timestamp.getTime()}:${services.get(service)?.id}`,
          check: services.get(service)?.id ?? '',
          at: timestamp,
          state: healthy ? 'up' : 'down',
          latencyMs: latency ?? 0,
          message: healthy ? 'healthy' : 'not healthy',
        })),
        0,
      );
      return { taken, unknown: results.filter(({ service }) => !services.has(service)).map(({ service }) => service) };
    },
  };
}

/** By its own time where that may be believed, and never in the future. */
function timeOf({ at }: Result, offsetMs: number, now: Date): Date {
  const time = Math.abs(offsetMs) > CLOCK_MS ? at.getTime() - offsetMs : at.getTime();
  return new Date(Math.min(time, now.getTime()));
}

/** The check that a service is known by to who has only its name: its first over HTTP. Its id does as well. */
async function servicesOf(
  checks: readonly Check[],
  inventory: Pick<Inventory, 'find'>,
): Promise<ReadonlyMap<string, Check>> {
  const names = new Map((await inventory.find()).map(({ id, name }) => [id, name]));
  const found = new Map(checks.map((check) => [check.id, check]));
  for (const check of checks) {
    const name = names.get(check.resourceId);
    if (name !== undefined && !found.has(name)) found.set(name, check);
  }
  return found;
}
