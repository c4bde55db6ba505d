import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { System } from '../src/core/system.ts';
import { createAdmin } from '../src/systems/identity/accounts.ts';
import { defined } from '../src/testing/defined.ts';
import { BROWSER, type Visit, visit } from './kit/browser.ts';
import { composeInProcess, type InProcess } from './kit/composition.ts';
import { eventually } from './kit/steward.ts';

const PASSWORD = 'correct horse battery';

describe.skipIf(!BROWSER)('the dashboard, for who is called too often (needs Chromium)', () => {
  let world: InProcess;
  let systems: System[];
  let url: string;
  let seen: Visit;
  let page: Page;
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const dialog = (name: string | RegExp) => page.getByRole('dialog', { name });
  const named = (name: string): System => defined(world.composition.systems.find((system) => system.name === name));

  /** Something that others notice, as often as somebody was called for it. */
  async function raise(type: string, severity: string, status = 'firing'): Promise<void> {
    const answer = await page.request.post(`${url}/api/alerts`, {
      data: { type, message: `${type} again`, severity, status },
      headers: { origin: url },
    });
    expect(answer.status(), await answer.text()).toBeLessThan(300);
  }
  const delivered = async (messages: number): Promise<void> =>
    void (await eventually('it is told', async () => {
      const { rows } = await world.database.store.pool.query("select from alert_deliveries where state = 'delivered'");
      return rows.length >= messages ? true : undefined;
    }));

  beforeAll(async () => {
    world = await composeInProcess({
      page: true,
      config: {
        discovery: { enabled: false },
        alerts: {
          hold: '0s',
          digest: false,
          budget: { perWeek: 1, floor: 0.5, judged: 1 },
          channels: [{ kind: 'script', name: 'pager', program: '/bin/true', minSeverity: 'info' }],
        },
      },
    });
    const { composition, database } = world;
    await composition.audit.start?.();
    await composition.identity.start();
    await createAdmin(database.store, { name: 'ada', password: PASSWORD, now: new Date() });
    systems = ['incidents', 'alerting'].map(named);
    for (const system of systems) await system.start?.();
    ({ url } = await composition.rest.listen());
    seen = await visit(url);
    ({ page } = seen);
    await page.goto(`${url}/alerts/interruptions`);
    await page.getByLabel('Name').fill('ada');
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByText('Nobody, in the last 30 days.').waitFor();
  }, 120_000);

  afterAll(async () => {
    await seen?.[Symbol.asyncDispose]();
    for (const system of systems?.toReversed() ?? []) await system.stop?.();
    await world?.end();
  }, 60_000);

  it('shows who was called how often, what they did about it, and what is proposed, which a person accepts or dismisses', async () => {
    let told = 0;
    for (const [type, severity] of [
      ['fan-speed', 'warning'],
      ['door-open', 'critical'],
    ] as const) {
      await raise(type, severity);
      await delivered((told += 1));
      await raise(type, severity, 'resolved');
      await delivered((told += 1));
    }
    await raise('disk-full', 'critical');
    await delivered((told += 1));
    const job = defined(named('alerting').jobs?.find(({ name }) => name === 'alert-proposals'));
    await job.run({ now: new Date(), signal: new AbortController().signal });

    await page.goto(`${url}/alerts/interruptions`);
    await page.getByText('More than 1 page in the last seven days: pager.').waitFor();
    await page.getByText('3 of 1 in the last seven days').waitFor();
    const row = page.getByRole('row', { name: /fan-speed/ });
    expect(await row.getByRole('cell').allInnerTexts()).toEqual(['1', '0', '1', '0', '0 % (under 50 %)']);
    expect(
      await page
        .getByRole('row', { name: /disk-full/ })
        .getByRole('cell')
        .allInnerTexts(),
    ).toEqual(['1', '0', '0', '1', '–']);
    await seen.picture('interruptions');
    expect(await seen.barriers()).toEqual([]);
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    await page.getByRole('navigation', { name: 'Pages' }).waitFor({ state: 'hidden' });
    await seen.picture('interruptions-phone');
    expect(await seen.barriers()).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1280, height: 860 });

    await page.getByRole('button', { name: /^Dismiss… external\.fan-speed/ }).click();
    await dialog(/^Dismiss: /)
      .getByText('would have silenced 1 page, of which 0 were acted on')
      .waitFor();
    await dialog(/^Dismiss: /)
      .getByRole('button', { name: 'Dismiss', exact: true })
      .click();
    await page.getByText('told as ever', { exact: true }).waitFor();

    await page.getByRole('button', { name: /^Accept… external\.door-open/ }).click();
    await dialog(/^Accept: /)
      .getByText('What was told of it was critical.')
      .waitFor();
    await seen.picture('interruptions-accept');
    await dialog(/^Accept: /)
      .getByRole('button', { name: 'Accept, though it was critical' })
      .click();
    await page.getByText('in the digest only', { exact: true }).waitFor();
    // Of what only the digest tells nobody is told.
    await raise('door-open', 'critical');
    await raise('other', 'critical');
    await delivered((told += 1));
    const { rows } = await world.database.store.pool.query<{ title: string }>(
      'select title from alerts a join alert_deliveries d on d.alert_id = a.id order by a.at desc limit 1',
    );
    expect(rows[0]?.title).toContain('other');
  }, 90_000);

  it('shows before a silence is made what it would have kept quiet, the critical by name', async () => {
    await page.goto(`${url}/alerts`);
    await button('Silence…').click();
    const asked = dialog('Tell nobody of this for a while');
    await asked.getByRole('combobox', { name: 'What is wrong' }).fill('external.d*');
    await page.keyboard.press('Enter');
    await asked
      .getByText(/^Of the last 7 days this would have silenced 2 messages about \d incidents, \d of them/)
      .waitFor();
    await asked
      .getByRole('link', { name: /disk-full again/ })
      .first()
      .waitFor();
    await seen.picture('silence-preview');
    expect(await seen.barriers()).toEqual([]);
    await asked.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Nothing is silenced.').waitFor();
  });

  it('asked no other host, and broke no rule of its own policy', () => expect(seen.complaints).toEqual([]));
});
