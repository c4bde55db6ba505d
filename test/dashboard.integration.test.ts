import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort, type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../src/testing/world/temp-folder.ts';
import { type Api, apiOf } from './kit/api.ts';
import { BROWSER, type Visit, visit } from './kit/browser.ts';
import { eventually, makeHome, removeHome, type RunningSteward, startSteward, stewardJson } from './kit/steward.ts';

const PASSWORD = 'correct horse battery';
const PAGES = [
  '/',
  '/services',
  '/topology',
  '/incidents',
  '/runs',
  '/automations',
  '/automations/restart-service',
  '/workflows',
  '/schedules',
  '/places',
  '/heartbeats',
  '/maintenance',
  '/alerts',
  '/alerts/interruptions',
  '/webhooks',
  '/gateway-status',
  '/endpoints',
  '/checklists',
  '/backups',
  '/databases',
  '/changes',
  '/machine',
  '/logs',
  '/reports',
  '/reports/performance',
  '/reports/weekly',
  '/audit',
  '/settings/account',
  '/settings/users',
  '/settings/tokens',
  '/settings/channels',
  '/settings/nodes',
  '/settings/policy',
  '/settings/configuration',
];

/** What can be another in the dark and on a phone; names, roles and order are the same. */
const OF_COLOUR_AND_WIDTH = ['color-contrast', 'link-in-text-block', 'scrollable-region-focusable'];

function endIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown;
  }
}

describe.skipIf(!BROWSER)('the dashboard of a Steward (needs Chromium)', () => {
  let folder: TempFolder;
  let home: string;
  let serving: RunningSteward;
  let program: RunningProgram;
  let port: number;
  let api: Api;
  let agent: Api;
  let seen: Visit;

  beforeAll(async () => {
    folder = await tempFolder('stw-app');
    await chmod(folder.path, 0o755);
    await copyFile(join(import.meta.dirname, 'fixtures/machine/confidant.mjs'), join(folder.path, 'shop.mjs'));
    port = await freePort();
    program = await startProgram({
      program: process.execPath,
      args: ['shop.mjs', String(port)],
      cwd: folder.path,
      ready: { port },
    });
    home = makeHome(`monitoring: { every: 1s, timeout: 2s }
healing: { loop: 1s, soak: 3s, backoff: 1s }
machine: { watch: false }
services:
  - { name: shop, match: { port: ${port} }, restart: process }
`);
    serving = await startSteward({ home });
    const tokenOf = async (role: string): Promise<string> =>
      (await stewardJson<{ token: string }>(home, ['token', 'create', '--role', role, '--name', role])).token;
    api = apiOf(serving.url, await tokenOf('admin'));
    agent = apiOf(serving.url, await tokenOf('agent'));
    await eventually('it is up', async () => (await api.service('shop')).state === 'up' || undefined, 60_000);
    seen = await visit(serving.url);
  }, 180_000);

  afterAll(async () => {
    await seen?.[Symbol.asyncDispose]();
    const pids = await api
      ?.get<{ pids: number[] }>('services/shop')
      .then(({ pids: all }) => all)
      .catch(() => []);
    await serving?.stop();
    for (const pid of pids ?? []) endIfThere(pid);
    await program?.stop();
    if (home) await removeHome(home);
    await folder?.remove();
  }, 60_000);

  // What one test leaves behind when it fails is not for the next to stumble over.
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await seen.page.goto(serving.url);
  });

  it('is reached from the set-up link, which works once', async () => {
    const { page } = seen;
    const [link = ''] = /http:\S+\/setup#\S+/.exec(serving.output()) ?? [];
    await page.goto(link);
    await page.getByLabel('Name').fill('ada');
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await seen.picture('setup');
    await page.keyboard.press('Enter');
    await page.getByText('live', { exact: true }).waitFor();
    expect(new URL(page.url()).pathname + new URL(page.url()).hash).toBe('/');
    await seen.picture('home');

    await page.goto(link);
    await page.getByText('live', { exact: true }).waitFor();
  }, 60_000);

  it('shows a service that is killed: down, the incident, the heal and its proof, without being loaded again', async () => {
    const { page } = seen;
    await page.evaluate('window.loadedOnce = true');
    const { pids } = await api.get<{ pids: number[] }>('services/shop');
    for (const pid of pids) endIfThere(pid);

    const incident = page
      .locator('a', { hasText: 'shop' })
      .filter({ hasText: /down|died|refused|answers/i })
      .first();
    await incident.waitFor({ timeout: 30_000 });
    await seen.picture('home-down');
    await incident.click();
    await page.getByText('resolved', { exact: true }).first().waitFor({ timeout: 60_000 });
    await seen.picture('incident');
    await page.getByRole('link', { name: 'the run' }).first().click();
    await page.getByRole('heading', { name: /Proof/ }).waitFor();
    expect(await page.getByText('holds', { exact: true }).count()).toBeGreaterThan(0);
    await seen.picture('run');
    expect(await page.evaluate('window.loadedOnce')).toBe(true);
  }, 120_000);

  it('refuses wrong input beside its field, shows the plan first, and applies that very plan', async () => {
    const { page } = seen;
    await page.goto(`${serving.url}/automations/restart-service`);
    await page.getByRole('button', { name: 'Show the plan' }).click();
    const service = page.getByLabel('Service', { exact: false }).first();
    expect(await service.getAttribute('aria-invalid')).toBe('true');
    expect(await service.evaluate((field) => field.matches(':focus'))).toBe(true);
    await seen.picture('form-refused');

    await service.fill('shop');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Show the plan' }).click();
    await page.getByRole('button', { name: 'Apply this plan' }).waitFor({ timeout: 30_000 });
    await seen.picture('plan');
    await page.getByRole('button', { name: 'Apply this plan' }).click();
    await page.getByRole('heading', { name: 'What it was asked' }).waitFor();
    await page.getByText('succeeded', { exact: true }).first().waitFor({ timeout: 60_000 });
  }, 120_000);

  it('asks a person for what an agent wants to do, who reviews it and approves', async () => {
    const { page } = seen;
    await page.goto(serving.url);
    const { id } = await agent.post<{ id: string }>('automations/restart-service/runs', {
      input: { service: 'shop' },
      reason: 'it feels slow',
    });
    await page.getByRole('heading', { name: 'Needs you' }).waitFor({ timeout: 30_000 });
    const proposal = page.getByRole('region', { name: 'restart-service shop waits for you' });
    await proposal.getByText('it feels slow').waitFor();
    await seen.picture('needs-you');
    await proposal.getByRole('button', { name: 'Approve this plan' }).click();
    await page.getByRole('heading', { name: 'Needs you' }).waitFor({ state: 'detached', timeout: 30_000 });
    await eventually(
      'it succeeded',
      async () => (await api.get<{ status: string }>(`runs/${id}`)).status === 'succeeded' || undefined,
      60_000,
    );
  }, 120_000);

  it('says that Steward is gone, and goes on by itself once it is back', async () => {
    const { page } = seen;
    const sign = page.getByRole('status').first();
    await page.goto(serving.url);
    await sign.getByText('live', { exact: true }).waitFor();
    await serving.kill();
    await sign.getByText(/connection lost|no connection/).waitFor();
    await seen.picture('lost');

    serving = await startSteward({ home, port: Number(new URL(serving.url).port) });
    await sign.getByText(/live/).waitFor({ timeout: 40_000 });
  }, 120_000);

  it('does not call live what nobody answers', async () => {
    const { page } = seen;
    const sign = page.getByRole('status').first();
    await page.clock.install();
    await page.goto(serving.url);
    await sign.getByText('live', { exact: true }).waitFor();
    process.kill(serving.pid, 'SIGSTOP');
    try {
      await page.clock.fastForward('01:00');
      await sign.getByText(/connection lost|no connection/).waitFor();
    } finally {
      process.kill(serving.pid, 'SIGCONT');
    }
    await sign.getByText(/live/).waitFor({ timeout: 40_000 });
  }, 90_000);

  it.each(PAGES)(
    'has no barrier at %s, in light and dark, and fits a phone',
    async (path) => {
      const { page } = seen;
      await page.setViewportSize({ width: 1280, height: 860 });
      await page.emulateMedia({ colorScheme: 'light' });
      await page.goto(`${serving.url}${path}`);
      await page.getByRole('heading', { level: 1 }).first().waitFor();
      await page.locator('[aria-busy="true"]').first().waitFor({ state: 'detached' });
      const name = path === '/' ? 'home' : path.slice(1).replaceAll('/', '-');
      await seen.picture(`page-${name}`);
      expect(await seen.barriers()).toEqual([]);

      await page.emulateMedia({ colorScheme: 'dark' });
      await page.setViewportSize({ width: 390, height: 844 });
      await seen.picture(`phone-${name}`);
      expect(await seen.barriers(OF_COLOUR_AND_WIDTH)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    },
    60_000,
  );

  it('asked no other host, and broke no rule of its own policy', () => expect(seen.complaints).toEqual([]));
});
