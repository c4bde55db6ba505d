import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { appendAnywhere } from '../testing/engine-automations.ts';
import { type EngineProcess, startEngine } from '../testing/engine-process.ts';
import { admin, appendLines, type EngineFixture, engineOn, operator, resource, scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

let database: TestDatabase;
let place: Awaited<ReturnType<typeof scratch>>;
let here: EngineFixture;
let there: EngineProcess | undefined;

beforeEach(async () => {
  database = await testDatabase({ migrations: engineMigrations });
  place = await scratch();
  here = engineOn(database.store, {
    node: 'here',
    automations: [appendLines, appendAnywhere],
    resources: [resource('shop', { node: 'here' })],
    rules: [{ id: 'all', decision: 'auto', why: 'A test.' }],
  });
  await here.engine.start();
}, 60_000);
afterEach(async () => {
  await here.engine.stop();
  await there?.kill('SIGKILL');
  there = undefined;
  await place.remove();
  await database.drop();
});

const start = async (automation: string, lines: string[], more: object = {}, trigger: 'cli' | 'healing' = 'cli') =>
  (
    await here.engine.service.start({
      automation,
      input: { file: place.file, lines, ...more },
      trigger,
      actor: operator,
    })
  ).id;
const run = async (id: string) => {
  const { status, node } = (await here.engine.service.get(id)) ?? {};
  return `${status} ${node}`;
};
async function becomes(id: string, what: string): Promise<void> {
  await expect.poll(() => run(id), { timeout: 30_000 }).toBe(what);
}
const events = async () =>
  (await database.store.pool.query("select type from events where type like 'node.%' order by id")).rows.map(
    ({ type }: { type: string }) => type,
  );

describe('a node that drains', () => {
  it('ends what runs, heals its machine, and leaves what has not begun to others or for later', async () => {
    // Longer than the other process takes to come up.
    const slow = { pauseMs: 7_000 };
    const under = await start('append-lines', ['under'], slow);
    const anywhere = await start('append-anywhere', ['anywhere'], slow);
    await becomes(under, 'running here');
    await becomes(anywhere, 'running here');
    // Each waits here for its turn behind one of these: the first needs this machine, the second any.
    const mine = await start('append-lines', ['mine']);
    // The same input, so that it waits.
    const same = await start('append-anywhere', ['anywhere'], slow);
    there = startEngine({ databaseUrl: database.databaseUrl, node: 'there' });
    expect(await there.line()).toBe('ready');

    expect(await here.engine.nodeCare.drain('here', admin)).toMatchObject({ draining: true });

    await expect.poll(() => run(same), { timeout: 20_000 }).toMatch(/ there$/);
    const healing = await start('append-lines', ['healed'], { target: 'shop' }, 'healing');
    await becomes(healing, 'succeeded here');
    const asked = await start('append-anywhere', ['asked']);
    await becomes(asked, 'succeeded there');
    await here.engine.nodeCare.waitDrained('here', 30_000);
    expect([await run(under), await run(anywhere), await run(mine)]).toEqual([
      'succeeded here',
      'succeeded here',
      'queued here',
    ]);
    await becomes(same, 'succeeded there');

    await here.engine.nodeCare.resume('here', admin);

    await becomes(mine, 'succeeded here');
    expect(await events()).toEqual(['node.joined', 'node.joined', 'node.draining', 'node.drained', 'node.resumed']);
  }, 90_000);

  it('alone, keeps everything for later', async () => {
    await here.engine.nodeCare.drain('here', admin);
    await here.engine.nodeCare.waitDrained('here', 20_000);
    const anywhere = await start('append-anywhere', ['anywhere']);
    const mine = await start('append-lines', ['mine']);
    // Begun and ended after both, so neither will begin any more.
    const healing = await start('append-lines', ['healed'], { target: 'shop' }, 'healing');
    await becomes(healing, 'succeeded here');
    expect([await run(anywhere), await run(mine)]).toEqual(['queued here', 'queued here']);
    await here.engine.nodeCare.resume('here', admin);
    await becomes(anywhere, 'succeeded here');
    await becomes(mine, 'succeeded here');
  }, 60_000);
});
