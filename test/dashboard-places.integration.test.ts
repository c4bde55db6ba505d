import { createServer, type Server } from 'node:http';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminApi, type Api } from './kit/api.ts';
import { BROWSER, type Visit, visit } from './kit/browser.ts';
import { type Firewall, firewallBefore } from './kit/firewall.ts';
import { invitedPlace, type RunningPlace, startPlace } from './kit/place.ts';
import { eventually, makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

interface Verdicts {
  readonly items: readonly { readonly votes: readonly { readonly place: string; readonly state: string }[] }[];
}

describe.skipIf(!BROWSER)('places on the dashboard (needs Chromium)', () => {
  let upstream: Server;
  let firewall: Firewall;
  let home: string;
  let running: RunningSteward;
  let api: Api;
  let seen: Visit;
  const started: RunningPlace[] = [];

  beforeAll(async () => {
    upstream = createServer((_request, response) => void response.end('hello'));
    await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
    firewall = await firewallBefore((upstream.address() as { port: number }).port);
    home = makeHome(`discovery: { enabled: false }
machine: { watch: false }
healing: { enabled: false }
monitoring: { every: 1s }
places: { report: 1s }
services:
  - name: shop
    checks: [{ kind: http, url: 'http://127.0.0.1:${firewall.port}/', every: 1s, timeout: 1s, failures: 2 }]
    places: { need: 2 }
`);
    running = await startSteward({ home });
    ({ api } = await adminApi(running));
    for (const name of ['paris', 'tokyo']) started.push(startPlace(running.url, await invitedPlace(home, name)));
    await said('paris', 'up');
    await said('tokyo', 'up');
    seen = await visit(running.url);
    const [link = ''] = /http:\S+\/setup#\S+/.exec(running.output()) ?? [];
    await seen.page.goto(link);
    await seen.page.getByLabel('Name').fill('ada');
    await seen.page.getByRole('textbox', { name: 'Password' }).fill('correct horse battery');
    await seen.page.keyboard.press('Enter');
    await seen.page.getByText('live', { exact: true }).waitFor();
  }, 120_000);

  afterAll(async () => {
    await seen?.[Symbol.asyncDispose]();
    await Promise.all(started.map((place) => place.kill()));
    await running?.stop();
    await firewall?.close();
    upstream?.close();
    if (home) await removeHome(home);
  }, 60_000);

  const said = (place: string, state: string): Promise<unknown> =>
    eventually(`${place} says ${state}`, async () =>
      (await api.get<Verdicts>('place-verdicts')).items
        .flatMap(({ votes }) => votes)
        .find((vote) => vote.place === place && vote.state === state),
    );

  async function pictures(name: string): Promise<void> {
    const { page } = seen;
    for (const [colorScheme, width, height] of [
      ['light', 1280, 860],
      ['dark', 390, 844],
      ['dark', 1280, 860],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      expect(await seen.barriers()).toEqual([]);
      await seen.picture(`${name}-${colorScheme}-${width}`);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    }
    await page.emulateMedia({ colorScheme: 'light' });
  }

  it('are invited with the very command, which works, and listed with how they are', async () => {
    const { page } = seen;
    await page.goto(`${running.url}/places`);
    await page.getByText('All of them report.').waitFor();
    await page.getByRole('button', { name: 'Invite a place…' }).click();
    await page.getByLabel('What the place is called').fill('oslo');
    await page.getByRole('button', { name: 'Invite', exact: true }).click();
    const command = await page.locator('[data-shown-once]').textContent();
    await pictures('places-invite');
    const [, token = ''] =
      /(stwi_\w+) > place\.token\) && npx steward probe --server http\S+ /.exec(command ?? '') ?? [];
    const tokenFile = join(mkdtempSync(join(tmpdir(), 'stw-place-')), 'token');
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    await page.getByRole('button', { name: 'I have kept it' }).click();
    await page.getByText('its invitation was not used yet').waitFor();
    started.push(startPlace(running.url, tokenFile));
    await page.getByText('All of them report.').waitFor({ timeout: 30_000 });
    await page.getByText('as it should be').first().waitFor();
    await page.getByRole('button', { name: 'Checks of paris' }).click();
    await page.getByRole('link', { name: 'shop' }).waitFor();
    await pictures('places');
  }, 90_000);

  it('are seen at a service: what each says, how long it waits, and where it breaks', async () => {
    const { page } = seen;
    await page.goto(`${running.url}/services/shop`);
    await page.getByRole('heading', { name: /^Seen from 4 places/ }).waitFor();
    await page.getByRole('img', { name: /^How long tokyo waited/ }).waitFor({ timeout: 60_000 });
    firewall.block(started[1]?.pid ?? 0);
    await page.getByText('Only from tokyo.').first().waitFor({ timeout: 30_000 });
    await page.getByText('it breaks: one region').scrollIntoViewIfNeeded();
    await pictures('service-places');
  }, 120_000);

  it('are removed after what that changes was shown', async () => {
    const { page } = seen;
    await page.goto(`${running.url}/places`);
    for (const [name, left] of [
      ['oslo', '3 places look at it'],
      ['tokyo', '2 places look at it'],
      ['paris', 'nobody else looks at it: what the machine that watches it sees decides'],
    ] as const) {
      await page.getByRole('button', { name: `Remove… (${name})` }).click();
      await page.getByText(`http: ${left}`).waitFor();
      if (name === 'paris') await pictures('places-remove');
      await page.getByRole('button', { name: 'Remove', exact: true }).click();
      await page.getByText(`${name} is removed.`).waitFor();
    }
    await page.getByText('Services are looked at from this machine alone').waitFor();
    expect((await api.get<{ items: object[] }>('places')).items).toEqual([]);
  }, 90_000);
});
