import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BROWSER, type Visit, visit } from './kit/browser.ts';
import { makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

const [PASSWORD, VERAS] = ['correct horse battery', 'long enough words'];
/** Everywhere that somebody who may only look finds nothing that is refused. */
const LOOKED_AT = [
  '/',
  '/backups/orders',
  '/maintenance',
  '/reports',
  '/reports/performance',
  '/reports/weekly',
  '/audit',
];

describe.skipIf(!BROWSER)('the dashboard, for who works with it (needs Chromium)', () => {
  let home: string;
  let data: string;
  let serving: RunningSteward;
  let seen: Visit;
  let page: Page;
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const dialog = (name: string | RegExp) => page.getByRole('dialog', { name });
  const press = (where: ReturnType<typeof dialog>, name: string): Promise<void> =>
    where.getByRole('button', { name, exact: true }).click();
  const open = (path: string): Promise<unknown> => page.goto(`${serving.url}${path}`);
  const orders = (): unknown[] => {
    const database = new DatabaseSync(join(data, 'shop.db'));
    const rows = database.prepare('select what from orders order by id').all();
    database.close();
    return rows.map(({ what }) => what);
  };
  /** The page of a run is there: that an earlier run succeeded stands on the page before it as well. */
  const runShown = (): Promise<void> => page.getByRole('heading', { name: 'What it was asked' }).waitFor();
  const applied = async (): Promise<void> => {
    await button('Show the plan').click();
    await button('Apply this plan').click();
    await runShown();
  };
  const succeeded = (): Promise<void> =>
    page.getByRole('main').getByText('succeeded', { exact: true }).first().waitFor({ timeout: 60_000 });

  async function command(name: string, data: object): Promise<void> {
    const headers = { origin: serving.url };
    const answer = await page.request.post(`${serving.url}/api/v1/${name}`, { data, headers });
    expect(answer.status()).toBe(200);
  }

  async function signIn(on: Page, name: string, password: string): Promise<void> {
    await on.getByLabel('Name').fill(name);
    await on.getByRole('textbox', { name: 'Password' }).fill(password);
    await on.keyboard.press('Enter');
    await on.getByText('live', { exact: true }).waitFor();
  }

  beforeAll(async () => {
    home = makeHome();
    data = join(home, 'shop');
    mkdirSync(data);
    const shop = new DatabaseSync(join(data, 'shop.db'));
    shop.exec("create table orders (id integer primary key, what text); insert into orders (what) values ('tea')");
    shop.close();
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      endpoints: { allowPrivate: ['127.0.0.1'] },
      backups: { self: false, sources: [{ name: 'orders', kind: 'sqlite', path: join(data, 'shop.db') }] },
    };
    // YAML is a superset of JSON.
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    serving = await startSteward({ home });
    seen = await visit(serving.url);
    ({ page } = seen);
    await page.goto(/http:\S+\/setup#\S+/.exec(serving.output())?.[0] ?? '');
    await signIn(page, 'ada', PASSWORD);
  }, 120_000);

  afterAll(async () => {
    await seen?.[Symbol.asyncDispose]();
    await serving?.stop();
    if (home) await removeHome(home);
  }, 60_000);

  // What one test leaves open when it fails is not for the next to stumble over.
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await open('/');
  });

  it('keeps something quiet, for longer, and no more', async () => {
    await open('/maintenance');
    await button('Open a window…').click();
    const asked = dialog('Open a maintenance window');
    await asked.getByRole('switch', { name: 'All that Steward watches' }).check({ force: true });
    await asked.getByRole('textbox', { name: 'Why' }).fill('a new disk');
    await press(asked, 'Open');
    await page.getByText('is kept quiet: probed').waitFor();
    await page.getByText('a new disk').waitFor();

    await page.getByRole('button', { name: /^Extend… / }).click();
    await dialog('How much longer?').getByLabel('Longer by').selectOption('4h');
    await press(dialog('How much longer?'), 'Extend');
    await page.getByText(/ends in [45] h/).waitFor();

    await page.getByRole('button', { name: /^End… / }).click();
    await press(dialog(/^End: /), 'End');
    await page.getByText('Nothing is kept quiet.').waitFor();
  });

  it('tells nobody of something for a while, says who would be told, and ends it', async () => {
    await open('/alerts');
    await page.getByText('Nothing is kept quiet.').waitFor();
    await button('Silence…').click();
    const asked = dialog('Tell nobody of this for a while');
    await asked.getByRole('textbox', { name: 'Why' }).fill('a new disk is ordered');
    await press(asked, 'Silence');
    // Everything is never meant by naming nothing.
    await asked.getByRole('alert').getByText('expected what is kept quiet').waitFor();
    await asked.getByRole('combobox', { name: 'What is wrong' }).fill('disk.*');
    await press(asked, 'Silence');
    await page.getByText('Nobody is told of disk.*. It is looked at').waitFor();
    await page.getByText('a new disk is ordered').waitFor();

    await page.getByRole('textbox', { name: 'What is wrong' }).fill('disk.full');
    await button('Try').click();
    await page.getByText(/Nothing was sent\.$/).waitFor();

    await page.getByRole('button', { name: 'End… disk.*' }).click();
    await press(dialog(/^End: /), 'End');
    await page.getByText('Nothing is kept quiet.').waitFor();
  });

  it('makes a heartbeat whose address answers, another address, and none', async () => {
    const made = dialog('The address of nightly-export');
    const calls = async (address: string): Promise<number> => (await fetch(address)).status;
    const told = async (): Promise<string> => await made.locator('pre').first().innerText();
    await open('/heartbeats');
    await button('Create a heartbeat…').click();
    const asked = dialog('Create a heartbeat');
    await asked.getByRole('textbox', { name: 'What the job is called' }).fill('nightly-export');
    await asked.getByRole('textbox', { name: 'Time', exact: true }).fill('1d');
    await press(asked, 'Create');
    const first = await told();
    expect(await calls(first)).toBe(200);
    await page.keyboard.press('Escape');

    await button('Pause').click();
    await page.getByText('paused', { exact: true }).waitFor();
    await button('Resume').click();
    await button('Pause').waitFor();

    await button('More about nightly-export').click();
    await page.getByRole('menuitem', { name: 'New address…' }).click();
    await press(dialog('A new address for nightly-export?'), 'Give it a new address');
    const second = await told();
    expect([await calls(first), await calls(second)]).toEqual([404, 200]);
    await page.keyboard.press('Escape');

    await button('More about nightly-export').click();
    await page.getByRole('menuitem', { name: 'Remove…' }).click();
    await press(dialog('Remove nightly-export?'), 'Remove');
    await page.getByText('No job is expected').waitFor();
    expect(await calls(second)).toBe(404);
  });

  it('makes an endpoint that is tested, sent to, disabled, and sent what it missed', async () => {
    const types: string[] = [];
    const receiver = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      request.on('end', () => {
        types.push((JSON.parse(body) as { type: string }).type);
        response.end('thank you');
      });
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    try {
      await open('/endpoints');
      await page.getByText('No other program is told').waitFor();
      await button('Create an endpoint…').click();
      const asked = dialog('Create an endpoint');
      await asked.getByRole('textbox', { name: 'Name' }).fill('tickets');
      await asked
        .getByRole('textbox', { name: 'Address' })
        .fill(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`);
      await asked.getByRole('textbox', { name: 'Events' }).fill('maintenance.started');
      await press(asked, 'Create');
      await page.getByText(/^whsec_/).waitFor();
      await button('I have kept it').click();
      await button('Test tickets').click();
      await page.getByText(/It was taken .*HTTP 200 thank you/).waitFor();

      await button('More about tickets').click();
      await page.getByRole('menuitem', { name: 'Disable…' }).click();
      await dialog('Disable tickets?').getByRole('textbox', { name: 'Why' }).fill('it moves');
      await press(dialog('Disable tickets?'), 'Disable');
      await page.getByText('ada disabled it: it moves').waitFor();
      await command('create-maintenance', { reason: 'a new disk', everything: true, for: '1s' });
      await page.getByText('1 missed').waitFor();
      await button('More about tickets').click();
      await page.getByRole('menuitem', { name: 'Enable…' }).click();
      await press(dialog('Enable tickets?'), 'Enable');
      await page.getByText('Whatever is sent is taken.').waitFor();
      await button('Deliveries to tickets').click();
      await page.getByRole('listitem').filter({ hasText: 'maintenance.started' }).waitFor();
      await page.getByRole('listitem').getByText('delivered', { exact: true }).waitFor();
      expect(types).toEqual(['endpoint.test', 'maintenance.started']);
      await seen.picture('work-endpoints');
      expect(await seen.barriers()).toEqual([]);
    } finally {
      receiver.closeAllConnections();
      receiver.close();
    }
  });

  it('makes a token that is shown once, gives it another secret, and revokes it', async () => {
    const shown = page.locator('[data-shown-once]');
    const asks = async (bearer: string): Promise<number> =>
      (await fetch(`${serving.url}/api/v1/overview`, { headers: { authorization: `Bearer ${bearer}` } })).status;
    await open('/settings/tokens');
    await button('Create a token…').click();
    await dialog('Create a token').getByRole('textbox', { name: 'What it is for' }).fill('hallway-screen');
    await press(dialog('Create a token'), 'Create');
    const first = await shown.innerText();
    await page.keyboard.press('Escape');
    expect(await shown.isVisible()).toBe(true);
    await button('I have kept it').click();
    expect(await asks(first)).toBe(200);

    await button('Rotate hallway-screen…').click();
    await press(dialog('Give hallway-screen a new secret?'), 'Rotate');
    await dialog('The new secret of hallway-screen').waitFor();
    const second = await shown.innerText();
    expect([first === second, await asks(first), await asks(second)]).toEqual([false, 200, 200]);
    await button('I have kept it').click();

    await button('Revoke hallway-screen…').click();
    await press(dialog('Revoke hallway-screen?'), 'Revoke');
    await page.getByRole('heading', { name: 'Revoked' }).waitFor();
    expect([await asks(first), await asks(second)]).toEqual([401, 401]);
  });

  it('restores over the original once a person approved that very plan with the password', async () => {
    await open('/backups/orders');
    await page.getByRole('link', { name: 'Back up now' }).click();
    await applied();
    await succeeded();
    const shop = new DatabaseSync(join(data, 'shop.db'));
    shop.exec("update orders set what = 'nothing'");
    shop.close();

    await open('/backups/orders');
    await page.getByRole('link', { name: 'Restore over the original…' }).click();
    await applied();
    await page.getByText('Replace orders (sqlite)').waitFor();
    await seen.picture('restore-waits');
    expect(orders()).toEqual(['nothing']);
    await button('Approve this plan…').click();
    await dialog('Approve restore-backup?').getByRole('textbox', { name: 'Your password' }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await succeeded();
    expect(orders()).toEqual(['tea']);
  }, 120_000);

  it('opens a sandbox without asking anybody, shows the way there, and closes it', async () => {
    await open('/backups/orders');
    await page.getByRole('link', { name: 'Restore to a sandbox…' }).click();
    await applied();
    await succeeded();
    await open('/backups');
    const shown = page.getByText(/^sqlite3 /);
    const path = (await shown.innerText()).replace('sqlite3 ', '');
    await seen.picture('sandbox');
    const restored = new DatabaseSync(path, { readOnly: true });
    // The way back that the restore took is no copy that anybody is given unasked.
    expect(restored.prepare('select what from orders').all()).toEqual([{ what: 'tea' }]);
    restored.close();
    await page.getByRole('link', { name: 'Close…' }).click();
    await applied();
    await succeeded();
    await open('/backups');
    await page.getByRole('heading', { name: 'What nothing copies' }).waitFor();
    expect([await shown.count(), existsSync(path)]).toEqual([0, false]);
  }, 120_000);

  it('makes a report by looking, and shows what took points away', async () => {
    await open('/reports');
    await page.getByRole('link', { name: 'Make one now' }).click();
    await button('Look now').click();
    await runShown();
    await succeeded();
    await open('/reports');
    await page.getByRole('main').locator('a[href^="/reports/hr_"]').first().click();
    await page.getByRole('heading', { name: /of 100$/ }).waitFor();
    await page.getByRole('heading', { name: 'What took points away' }).waitFor();
  }, 90_000);

  it.each([
    { kind: 'performance', heading: /^Not enough history yet/, has: /^The machine/ },
    { kind: 'weekly', heading: /^The week: /, has: /^Runs/ },
  ])(
    'lists $kind reports with their scores, shows one in full, opens its document and hands out its data',
    async ({ kind, heading, has }) => {
      for (let count = 0; count < 2; count += 1) {
        await open(`/reports/${kind}`);
        await page.getByRole('link', { name: 'Make one now' }).click();
        await button('Look now').click();
        await runShown();
        await succeeded();
      }
      await open(`/reports/${kind}`);
      const links = page.getByRole('main').locator(`a[href^="/reports/${kind}/"]`);
      await links.nth(1).waitFor();
      await seen.picture(`reports-${kind}`);
      await links.first().click();
      await page.getByRole('heading', { level: 1, name: heading }).waitFor();
      await page.getByText(has).first().waitFor();
      await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
      await seen.picture(`report-${kind}`);
      expect(await seen.barriers()).toEqual([]);
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.setViewportSize({ width: 390, height: 844 });
      await seen.picture(`report-${kind}-phone`);
      expect(await seen.barriers()).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 1280, height: 860 });

      const saved = page.waitForEvent('download');
      await page.getByRole('link', { name: 'Download as JSON' }).click();
      const data: unknown = JSON.parse(readFileSync(await (await saved).path(), 'utf8'));
      expect(data).toMatchObject({ node: expect.any(String), at: expect.any(String) });

      const opened = page.waitForEvent('popup');
      await page.getByRole('link', { name: 'Open as a document' }).click();
      const document = await opened;
      await document.getByRole('heading', { level: 1 }).waitFor();
      await document.close();
    },
    90_000,
  );

  it('goes anywhere by keyboard', async () => {
    await open('/');
    await page.getByText('live', { exact: true }).waitFor();
    await page.keyboard.press('Control+k');
    await page.getByRole('textbox', { name: 'Where to?' }).fill('silence');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Alerts', level: 1 }).waitFor();
  });

  it('has on a phone everything that the wide page has, and nothing out of sight in the way of the keyboard', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open('/runs');
    await page.getByText('live', { exact: true }).waitFor();
    const services = page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Services' });
    expect(await services.isVisible()).toBe(false);
    await button('Navigation').click();
    await services.click();
    await page.getByRole('heading', { name: 'Services', level: 1 }).waitFor();
    await services.waitFor({ state: 'hidden' });

    await button('ada').click();
    await page.getByRole('menuitem', { name: 'Stop everything…' }).click();
    await press(dialog('Stop everything?'), 'Cancel');
    await page.setViewportSize({ width: 1280, height: 860 });
  });

  it('offers who may only look nothing that is refused, and changes what somebody is', async () => {
    await open('/settings/users');
    await button('Create a user…').click();
    const asked = dialog('Create a user');
    await asked.getByRole('textbox', { name: 'Name', exact: true }).fill('vera');
    await asked.getByRole('combobox', { name: 'Role' }).selectOption('viewer');
    await asked.getByRole('textbox', { name: 'Password of the new user' }).fill(VERAS);
    await asked.getByRole('textbox', { name: 'Your password' }).fill(PASSWORD);
    await press(asked, 'Create');
    await button('Change vera…').waitFor();

    const context = await seen.browser.newContext();
    const vera = await context.newPage();
    vera.setDefaultTimeout(15_000);
    await vera.goto(serving.url);
    await signIn(vera, 'vera', VERAS);
    const offered = vera.getByRole('main').getByRole('link', { name: /now|Restore/ });
    for (const path of LOOKED_AT) {
      await vera.goto(`${serving.url}${path}`);
      await vera.getByRole('heading', { level: 1 }).first().waitFor();
      await vera.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
      expect([path, await offered.count(), await vera.getByRole('button', { name: /…$/ }).count()]).toEqual([
        path,
        0,
        0,
      ]);
    }
    await vera.getByText('Not for you').waitFor();
    expect(await vera.getByRole('navigation').getByRole('link', { name: 'Audit' }).count()).toBe(0);

    await button('Change vera…').click();
    await dialog('Change vera').getByRole('combobox', { name: 'Role' }).selectOption('operator');
    await dialog('Change vera').getByRole('textbox', { name: 'Your password' }).fill(PASSWORD);
    await press(dialog('Change vera'), 'Change');
    await page.getByRole('main').getByText('operator', { exact: true }).waitFor();
    await context.close();
  }, 90_000);

  it('asked no other host, and broke no rule of its own policy', () => expect(seen.complaints).toEqual([]));
});
