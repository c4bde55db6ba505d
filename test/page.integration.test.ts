import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../src/core/operation.ts';
import { composeSmall, PASSWORD, type SmallComposition } from './small-composition.ts';

const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);
const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
const ago = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();

const services = [
  {
    id: 'svc_1',
    name: 'postgresql@17-main',
    product: 'postgresql',
    version: '17.2',
    state: 'up',
    endpoint: '127.0.0.1:5432',
    since: ago(3_000),
  },
  {
    id: 'svc_2',
    name: 'nginx',
    product: 'nginx',
    version: '1.22.1',
    state: 'down',
    endpoint: '0.0.0.0:80',
    since: ago(2),
  },
  {
    id: 'svc_3',
    name: 'shop',
    product: 'node',
    version: '24.1.0',
    state: 'degraded',
    endpoint: '127.0.0.1:8080',
    since: ago(12),
  },
  { id: 'svc_4', name: HOSTILE, product: HOSTILE, state: 'up', endpoint: '127.0.0.1:9999', since: ago(60) },
  {
    id: 'svc_5',
    name: 'redis-server',
    product: 'redis',
    version: '7.0.15',
    state: 'up',
    endpoint: '127.0.0.1:6379',
    since: ago(50),
  },
  { id: 'svc_6', name: 'old-importer', product: 'unknown', state: 'stopped', since: ago(9_000) },
];

/** What the real systems answer, of a bad morning. */
function badMorning(state: { sentence: string; approved: string[] }): AnyOperation[] {
  const any = z.any();
  const query = (
    name: string,
    answer: (input: Record<string, unknown>) => unknown,
    input: z.ZodObject = NoInput,
    paths: string[] = [],
  ): AnyOperation =>
    defineQuery({
      name,
      title: name,
      summary: name,
      permission: 'read',
      input,
      output: any,
      paths,
      handle: async (given) => answer(given),
    });
  const run = (id: string, status: string, more: object = {}) => ({
    id,
    automation: 'restart-service',
    status,
    dryRun: false,
    actor: { name: 'healing' },
    target: { name: 'nginx' },
    createdAt: ago(1),
    checks: [],
    changes: [],
    phases: [],
    ...more,
  });
  return [
    query('overview', () => ({
      verdict: state.sentence.startsWith('Everything') ? 'ok' : 'broken',
      sentence: state.sentence,
      version: '0.1.0',
      node: { name: 'web-1' },
      notices: [
        {
          id: 'n',
          level: 'warning',
          text: 'No alert channel is configured: nobody is told when something breaks.',
          hint: 'Add one under channels in steward.yaml.',
        },
      ],
    })),
    query('mode', () => ({ mode: 'normal' })),
    query('services', () => services),
    query('service-health', () => ({
      services: services.map(({ id }, index) => ({ resourceId: id, checks: [{ last: { latencyMs: index * 7.3 } }] })),
    })),
    query(
      'incidents',
      () => ({
        items: [
          {
            id: 'inc_1',
            title: `nginx is down ${HOSTILE}`,
            status: 'escalated',
            severity: 'critical',
            openedAt: ago(2),
          },
        ],
      }),
      z.object({ status: z.string(), limit: z.coerce.number() }),
    ),
    query(
      'incident-get',
      () => ({
        timeline: [
          { at: ago(2), kind: 'opened', message: `Connection refused ${HOSTILE}` },
          { at: ago(1), kind: 'attempt', message: 'Restarted nginx.service' },
        ],
        evidence: { exitCode: 1, log: HOSTILE },
      }),
      z.object({ id: z.string() }),
      ['/api/v1/incidents/{id}'],
    ),
    query(
      'runs',
      ({ status }) => ({
        items: status
          ? state.approved.includes('run_1')
            ? []
            : [
                run('run_1', 'waiting-approval', {
                  automation: 'clean-temp-files',
                  effect: 'write',
                  planHash: 'abc',
                  plan: [{ id: 'a', title: `Delete ${HOSTILE}`, undo: 'none' }],
                }),
              ]
          : [
              run('run_2', 'failed', {
                error: { message: 'nginx.service stays down.', hint: 'Look at journalctl -u nginx.' },
                checks: [{ name: 'nginx answers', ok: false }],
              }),
              run('run_3', 'succeeded'),
            ],
      }),
      z.object({ status: z.string().optional(), limit: z.coerce.number() }),
    ),
    defineCommand({
      name: 'approve-run',
      title: 'Approve',
      summary: 'Approves.',
      permission: 'operate',
      input: z.object({ id: z.string(), planHash: z.string() }),
      output: any,
      paths: ['/api/v1/runs/{id}/approve'],
      handle: async ({ id }) => void state.approved.push(id),
    }),
  ];
}

describe.skipIf(!BROWSER)('the page (needs Chromium)', () => {
  let small: SmallComposition;
  let browser: Browser;
  let page: Page;
  let url: string;
  const state = {
    sentence: 'You are needed: nginx is down; 1 plan waits for your approval.',
    approved: [] as string[],
  };
  const complaints: string[] = [];
  /** STEWARD_SCREENSHOTS=<folder> keeps pictures, for people to look at. */
  const picture = async (name: string): Promise<void> => {
    const folder = process.env['STEWARD_SCREENSHOTS'];
    if (folder === undefined) return;
    await mkdir(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
  };

  beforeAll(async () => {
    small = await composeSmall({ operations: badMorning(state) });
    ({ url } = await small.rest.listen());
    browser = await chromium.launch({ executablePath: BROWSER as string, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: 'light' });
    page.on(
      'console',
      (message) => message.type() === 'error' && !message.text().includes('401') && complaints.push(message.text()),
    );
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => request.url().startsWith(url) || complaints.push(`asked ${request.url()}`));
  });
  afterAll(async () => {
    await browser?.close();
    await small?.stop();
  });

  it('says before anybody can sign in where the set-up link is, and lets the first admin in by it', async () => {
    await page.goto(url);
    await page.getByText('set-up link').waitFor();

    await page.goto((await small.identity.setupLink(url)) ?? '');
    await page.getByLabel('Name').fill('ada');
    await page.getByLabel('Password').fill(PASSWORD);
    await picture('setup');
    await page.keyboard.press('Enter');

    await page.getByRole('heading', { name: 'You are needed: nginx is down' }).waitFor();
    expect(new URL(page.url()).pathname + new URL(page.url()).hash).toBe('/');
  });

  it('answers first whether everything is all right, then shows state, incidents, notices and runs', async () => {
    await page.getByText('live', { exact: true }).waitFor();
    const headings = await page.getByRole('heading').allTextContents();

    expect(headings.map((text) => text.split(' ')[0])).toEqual([
      'You',
      'Needs',
      'Open',
      'Notices',
      'Services',
      'Recent',
    ]);
    expect(await page.locator('tbody tr').first().textContent()).toContain('nginx');
    await picture('light');
  });

  it('unfolds an incident by keyboard, and shows hostile text as text', async () => {
    await page
      .getByText('nginx is down <img')
      .focus()
      .catch(() => undefined);
    await page.locator('details').first().locator('summary').first().press('Enter');
    await page.getByText('Connection refused <img').waitFor();

    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('img[src="x"]').count()).toBe(0);
    await picture('incident');
  });

  it('follows what happens without being loaded again, and keeps what was unfolded', async () => {
    state.sentence = 'Everything is all right: all 6 services are up.';
    await small.store.db
      .transaction()
      .execute((trx) => small.store.events.append(trx, { type: 'service.up', data: {} }));

    await page.getByRole('heading', { name: 'Everything is all right' }).waitFor({ timeout: 10_000 });
    expect(await page.getByText('Connection refused <img').isVisible()).toBe(true);
  });

  it('approves a plan bound to its hash', async () => {
    await page.getByRole('button', { name: 'Approve this plan' }).click();
    await page.getByRole('heading', { name: 'Needs you' }).waitFor({ state: 'detached' });

    expect(state.approved).toEqual(['run_1']);
  });

  it('fits a phone, in the dark', async () => {
    await page.setViewportSize({ width: 375, height: 740 });
    await page.emulateMedia({ colorScheme: 'dark' });

    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    await picture('phone-dark');
    await page.setViewportSize({ width: 1280, height: 800 });
    await picture('dark');
  });

  it('shows that the connection is lost, and comes back by itself', async () => {
    await page.context().setOffline(true);
    await page.context().setOffline(false);
    await page.route('**/events/stream', (route) => route.abort());
    small.rest.app.server.closeAllConnections();
    await page.getByText('reconnecting').waitFor({ timeout: 10_000 });
    await picture('reconnecting');

    await page.unroute('**/events/stream');
    await page.getByText('live again, nothing missed').waitFor({ timeout: 15_000 });
    await page.getByText('live', { exact: true }).waitFor({ timeout: 15_000 });
  });

  it('signs out, and in again', async () => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Name').fill('ada');
    await page.getByLabel('Password').fill('wrong password');
    await page.keyboard.press('Enter');
    await page.getByText('Name or password is wrong').waitFor();
    await page.getByLabel('Password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByText('live', { exact: true }).waitFor();
  });

  it('asked no other host and broke no rule of its own policy', () => {
    expect(
      complaints.filter((text) => !/ERR_FAILED|ERR_EMPTY_RESPONSE|ERR_CONNECTION|ERR_INTERNET|net::/.test(text)),
    ).toEqual([]);
  });
});
