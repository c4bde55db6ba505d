import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Check, CheckTarget } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import { PlacesRule } from '../../core/places-rule.ts';
import type { PlaceConfig, PlaceReport, PlaceResult } from '../../../edge/handlers/probe/messages.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { watchedInventory, watchedService } from '../../testing/watched-world.ts';
import { createVault } from '../../adapters/vault/index.ts';
import { createIntake, type Intake } from './intake.ts';
import { createRoster } from './roster.ts';
import { createSigning } from './signing.ts';
import { type PlaceTables, placeMigrations } from './tables.ts';
import { createTelling, type Telling } from './telling.ts';

const NOW = new Date('2026-06-01T12:00:00Z');
const later = (ms: number): string => new Date(NOW.getTime() + ms).toISOString();

let database: TestDatabase;
let intake: Intake;
let telling: Telling;
let token: string;
let checks: Check[];
let log: ReturnType<typeof memoryLog>;
let signs = true;

const check = (id: string, resourceId: string, header?: object): Check => ({
  id,
  resourceId,
  origin: 'configured',
  target: CheckTarget.parse({
    kind: 'http',
    url: 'https://shop.example.org/',
    ...(header && { headers: { a: header } }),
  }),
  every: '60s',
  timeout: '5s',
  failures: 3,
  successes: 1,
  slow: '30s',
  places: PlacesRule.parse({ secrets: true }),
});

beforeEach(async () => {
  database = await testDatabase({ migrations: placeMigrations });
  log = memoryLog();
  signs = true;
  const db = database.store.db.withTables<PlaceTables>();
  const now = () => NOW;
  const settings = () => ({ userAgent: 'a', reportMs: 15_000, references: [] });
  const signer = createSigning(db, createVault({ key: Buffer.alloc(32) }));
  const roster = createRoster({ db, now });
  telling = createTelling({
    db,
    signing: async () => {
      if (signs) return await signer();
      throw new StewardError('INTERNAL', 'The key was altered.');
    },
    secrets: async () => {
      throw new StewardError('CONFIG_INVALID', 'The variable TOKEN is not set.');
    },
    sharedChecks: async () => checks,
    settings,
    log,
  });
  const twin = watchedService('twin', { name: 'shop', node: 'node_2' });
  intake = createIntake({
    db,
    roster,
    telling,
    inventory: watchedInventory([watchedService('shop'), watchedService('bank'), twin]),
    settings,
    keepMs: () => 86_400_000,
    now,
    log,
  });
  checks = [check('chk_1', 'shop'), check('chk_2', 'bank')];
  const { id, secret } = await roster.enroll({ name: 'paris', by: 'test' });
  token = `stwp_${id}_${secret}_${'0'.repeat(64)}`;
});
afterEach(() => database.drop());

const report = (more: Partial<PlaceReport> = {}): Promise<Awaited<ReturnType<Intake['report']>>> =>
  intake.report(
    token,
    {
      have: 0,
      sentAt: NOW.toISOString(),
      everyMs: 15_000,
      software: 'test',
      kinds: ['http'],
      backlog: 0,
      dropped: 0,
      results: [],
      ...more,
    },
    '192.0.2.1',
  );
let number = 0;
const saw = (state: PlaceResult['state'], at: string): PlaceResult => ({
  id: `r${(number += 1)}`,
  check: 'chk_1',
  at,
  state,
  latencyMs: 1,
  message: state,
});
const said = (): string => JSON.stringify(log.lines);
const db = () => database.store.db.withTables<PlaceTables>();
const sighting = () => db().selectFrom('place_sightings').select(['state', 'at']).executeTakeFirst();

describe('what a place says', () => {
  it('is dropped where it is of a time that has not come, which is counted and said', async () => {
    const results = [saw('up', later(3_600_000)), saw('up', later(3_700_000)), saw('down', later(-1_000))];
    expect(await report({ results })).toMatchObject({ taken: 1, ahead: 2 });
    expect(await sighting()).toEqual({ state: 'down', at: new Date(later(-1_000)) });
    expect(said()).toContain('of a time that has not come');
    // Put right by its clock, it is of a time that has.
    const sentAt = later(3_600_000);
    expect(await report({ sentAt, results: [saw('up', sentAt)] })).toMatchObject({ taken: 1 });
    expect(await sighting()).toEqual({ state: 'up', at: NOW });
  });

  it('is not kept out by a word of the future that is there already', async () => {
    await report({ results: [saw('up', later(-9_000))] });
    await db()
      .updateTable('place_sightings')
      .set({ at: new Date(later(86_400_000)) })
      .execute();
    await report({ results: [saw('down', later(-1_000))] });
    expect(await sighting()).toMatchObject({ state: 'down' });
  });

  it('counts for no longer than it may be away', async () => {
    await report({ everyMs: 86_400_000 });
    expect(await db().selectFrom('places').select('every_ms').executeTakeFirst()).toEqual({ every_ms: 300_000 });
    await report({ everyMs: 15_000 });
    expect(await db().selectFrom('places').select('every_ms').executeTakeFirst()).toEqual({ every_ms: 15_000 });
  });

  it('is taken though its configuration cannot be made', async () => {
    signs = false;
    const answer = await report({ results: [saw('up', later(-1_000))] });
    expect(answer).toEqual({ taken: 1 });
    expect(said()).toContain('The key was altered.');
  });
});

describe('what a place is told', () => {
  it('leaves out a check whose secret cannot be read, and nothing else; it is said once', async () => {
    checks.push(check('chk_3', 'bank', { env: 'TOKEN' }));
    const told = async (): Promise<string[]> => {
      const { config } = await report();
      return (JSON.parse(config?.payload ?? '{}') as PlaceConfig).checks.map(({ id }) => id);
    };
    expect(await told()).toEqual(['chk_1', 'chk_2']);
    expect(await told()).toEqual(['chk_1', 'chk_2']);
    expect(said().match(/The variable TOKEN is not set/g)).toHaveLength(1);
    expect(telling.unreadable('chk_3')).toContain('The variable TOKEN is not set');
    expect(telling.unreadable('chk_1')).toBeUndefined();
  });
});

describe('what a script says', () => {
  const post = (results: object[], timestamp: unknown = NOW.toISOString()) =>
    intake.healthcheck(token, { timestamp, results }, '192.0.2.1');
  const healthy = (service: string) => ({ service, healthy: true, latency: 1 });

  it("of a name that several services have is nobody's, and it is told to name the check", async () => {
    checks.push(check('chk_0', 'twin'));
    expect(await post([healthy('shop'), healthy('bank'), healthy('nobody')])).toEqual({
      taken: 1,
      unknown: ['shop', 'nobody'],
      ambiguous: [{ service: 'shop', checks: ['chk_1', 'chk_0'] }],
    });
    expect(await post([healthy('chk_0')])).toEqual({ taken: 1, unknown: [] });
  });

  it('is refused where its time has not come', async () => {
    await expect(post([healthy('bank')], later(3_600_000))).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('ahead of'),
    });
    expect(await post([healthy('bank')], later(4_000))).toMatchObject({ taken: 1 });
  });
});
