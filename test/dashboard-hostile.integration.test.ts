import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../src/core/operation.ts';
import { BROWSER, type Visit, visit } from './kit/browser.ts';
import { composeSmall, PASSWORD, type SmallComposition } from './small-composition.ts';

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
      services: { up: 3, down: 1, degraded: 1, stopped: 1 },
      openIncidents: 1,
      waitingApproval: 1,
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
      score: 61,
      stats: { total_checks: 6, healthy: 3 },
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
        id: 'inc_1',
        title: `nginx is down ${HOSTILE}`,
        symptom: HOSTILE,
        status: 'escalated',
        severity: 'critical',
        openedAt: ago(2),
        occurrences: 1,
        children: [],
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
                target: { name: HOSTILE },
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

describe.skipIf(!BROWSER)('the dashboard on a bad morning (needs Chromium)', () => {
  let small: SmallComposition;
  let seen: Visit;
  let page: Page;
  let url: string;
  const state = {
    sentence: 'You are needed: nginx is down; 1 plan waits for your approval.',
    approved: [] as string[],
  };

  beforeAll(async () => {
    small = await composeSmall({ operations: badMorning(state) });
    ({ url } = await small.rest.listen());
    seen = await visit(url);
    ({ page } = seen);
  });
  afterAll(async () => {
    await seen?.[Symbol.asyncDispose]();
    await small?.stop();
  });

  it('says before anybody can sign in where the set-up link is, and lets the first admin in by it', async () => {
    await page.goto(url);
    await page.getByText('set-up link').waitFor();

    await page.goto((await small.identity.setupLink(url)) ?? '');
    await page.getByLabel('Name').fill('ada');
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await page.keyboard.press('Enter');

    await page.getByRole('heading', { name: 'You are needed: nginx is down' }).waitFor();
  });

  it('answers first whether everything is all right, then what needs a person, then the rest', async () => {
    await page.getByText('live', { exact: true }).waitFor();
    const headings = await page.getByRole('heading', { level: 2 }).allTextContents();

    expect(headings.map((text) => text.replace(/\d+$/, ''))).toEqual([
      'Needs you',
      'Open incidents',
      'Notices',
      'Services',
      'Lately',
    ]);
    await seen.picture('bad-morning');
  });

  it('shows text of services, logs and people as text, on every page', async () => {
    await page.getByRole('link', { name: 'nginx is down <img' }).press('Enter');
    await page.getByText('Connection refused <img').waitFor();
    for (const name of ['Services', 'Incidents', 'Runs', 'Home']) {
      await page.getByRole('navigation').getByRole('link', { name }).click();
      await page.getByText('<img src=x').first().waitFor();
    }
    expect(await page.evaluate('window.hacked')).toBeUndefined();
    expect(await page.locator('img[src="x"]').count()).toBe(0);
  });

  it('follows what happens without being loaded again', async () => {
    state.sentence = 'Everything is all right: all 6 services are up.';
    await small.store.db
      .transaction()
      .execute((trx) => small.store.events.append(trx, { type: 'service.up', data: {} }));

    await page.getByRole('heading', { name: 'Everything is all right' }).waitFor({ timeout: 10_000 });
  });

  it('approves a plan bound to its hash', async () => {
    await page.getByRole('button', { name: 'Approve this plan' }).click();
    await page.getByRole('heading', { name: 'Needs you' }).waitFor({ state: 'detached' });

    expect(state.approved).toEqual(['run_1']);
  });

  it('signs out, and in again', async () => {
    await page.getByRole('button', { name: 'ada', exact: true }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByLabel('Name').fill('ada');
    await page.getByRole('textbox', { name: 'Password' }).fill('wrong password');
    await page.keyboard.press('Enter');
    await page.getByText('Name or password is wrong').waitFor();
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByText('live', { exact: true }).waitFor();
  });

  it('asked no other host, and broke no rule of its own policy', () => expect(seen.complaints).toEqual([]));
});
