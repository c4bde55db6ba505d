import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { HEALING } from '../../testing/healing.ts';
import { createAttempts } from './attempts.ts';
import { healingMigrations } from './tables.ts';

const SETTINGS = { ...HEALING, disruptivePerHour: 100_000 };
const restart = {
  fingerprint: 'service.down:svc',
  symptom: 'service.down',
  runbook: 'restart-supervised',
  automation: 'restart-service',
  input: {},
  disruptive: true,
};
const HOUR_MS = 3_600_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase({ migrations: healingMigrations });
});
afterAll(() => database.drop());

/** What may happen between two wishes to heal: time passes, an attempt ends, Steward restarts, another incident asks. */
const step = fc.record({
  seconds: fc.oneof(fc.integer({ min: 0, max: 120 }), fc.integer({ min: 600, max: 4_000 })),
  incident: fc.integer({ min: 0, max: 4 }),
  resource: fc.integer({ min: 0, max: 1 }),
  ends: fc.constantFrom('succeeded' as const, 'failed' as const, 'abandoned' as const, undefined),
  atOnce: fc.integer({ min: 1, max: 3 }),
});

describe('the budget', () => {
  it('never grants more than three attempts an hour to a resource, nor three to an incident, nor two at a time', async () => {
    let world = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        world += 1;
        let at = new Date('2026-03-01T12:00:00Z');
        const granted: { at: number; resource: string; incident: string }[] = [];
        for (const { seconds, incident, resource, ends, atOnce } of steps) {
          at = new Date(at.getTime() + seconds * 1_000);
          // A fresh one each time: nothing is remembered outside of the store.
          const attempts = createAttempts({ store: database.store, now: () => at });
          const request = {
            incidentId: `inc_${world}_${resource}_${incident}`,
            resourceId: `svc_${world}_${resource}`,
            node: `node_${world}`,
            ...restart,
          };
          const answers = await Promise.all(Array.from({ length: atOnce }, () => attempts.reserve(request, SETTINGS)));
          const won = answers.filter(({ kind }) => kind === 'granted');
          expect(won.length).toBeLessThanOrEqual(1);
          if (won.length === 1)
            granted.push({ at: at.getTime(), resource: request.resourceId, incident: request.incidentId });
          if (ends)
            for (const attempt of await attempts.unfinished(`node_${world}`))
              await attempts.finish(attempt, ends, 'ended');
        }
        for (const { at: from, resource } of granted) {
          expect(
            granted.filter((other) => other.resource === resource && other.at >= from && other.at < from + HOUR_MS)
              .length,
          ).toBeLessThanOrEqual(3);
        }
        for (const { incident } of granted)
          expect(granted.filter((other) => other.incident === incident).length).toBeLessThanOrEqual(3);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('is spent by an attempt that Steward died in', async () => {
    const at = new Date('2026-03-01T12:00:00Z');
    const request = {
      incidentId: 'inc_dead',
      resourceId: 'svc_dead',
      node: 'node_dead',
      ...restart,
    };
    const reserve = () =>
      createAttempts({ store: database.store, now: () => at }).reserve(request, { ...SETTINGS, backoff: '0s' });
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      expect(await reserve()).toMatchObject({ kind: 'granted', attempt: { number: attempt } });
      expect(await reserve()).toEqual({ kind: 'busy' });
      await database.store.pool.query(
        "update healing_attempts set finished_at = started_at where resource_id = 'svc_dead'",
      );
    }
    expect(await reserve()).toEqual({ kind: 'exhausted', by: 'incident' });
    expect(
      await createAttempts({ store: database.store, now: () => at }).reserve(
        { ...request, incidentId: 'inc_other' },
        SETTINGS,
      ),
    ).toEqual({ kind: 'exhausted', by: 'hour' });
  });
});
