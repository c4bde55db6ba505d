import { afterEach, beforeEach, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../testing/database.ts';
import { memoryLog } from '../testing/log.ts';
import { createLedger, type Ledger } from './incidents/ledger.ts';
import { incidentsMigrations } from './incidents/tables.ts';
import { createTrouble } from './trouble.ts';

const WORDS = { symptom: 'some.trouble', title: 'Some trouble', over: 'It is over.' };

let database: TestDatabase;
let ledger: Ledger;

beforeEach(async () => {
  database = await testDatabase({ migrations: incidentsMigrations });
  ledger = createLedger({ store: database.store, now: () => new Date() });
});
afterEach(() => database.drop());

const incident = () => ledger.byFingerprint('some.trouble:one');
const create = (adds: boolean) =>
  createTrouble({ ...WORDS, adds }, { incidents: ledger, node: { id: 'one' }, log: memoryLog() });

it('is one incident whatever the reason, until it is over', async () => {
  const trouble = create(false);
  for (const reason of ['first', 'first', 'second']) await trouble.tell(reason);
  expect(await incident()).toMatchObject({ status: 'open', occurrences: 1 });
  await trouble.tell(undefined);
  expect(await incident()).toMatchObject({ status: 'resolved', resolution: 'It is over.' });
});

it('adds each other reason where there can be several, but not those of a former process', async () => {
  const trouble = create(true);
  for (const reason of ['first', 'first', 'first second']) await trouble.tell(reason);
  expect(await incident()).toMatchObject({ status: 'open', occurrences: 2 });
  const next = create(true);
  await next.tell('first second');
  expect(await incident()).toMatchObject({ occurrences: 2 });
  await next.tell('third');
  await next.tell(undefined);
  expect(await incident()).toMatchObject({ status: 'resolved', occurrences: 3 });
});
