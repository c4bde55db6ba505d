import { Secret, TOTP } from 'otpauth';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { StewardError } from '../src/core/errors.ts';
import { approvalPurpose, Proof } from '../src/core/identity.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../src/core/operation.ts';
import { BROWSER, type Visit, visit } from './kit/browser.ts';
import { composeSmall, PASSWORD, type SmallComposition } from './small-composition.ts';

const HASH = 'a'.repeat(64);
const waiting = (id: string, name: string, critical = false) => ({
  id,
  automation: 'drop-old-database',
  effect: 'destructive',
  status: 'waiting-approval',
  dryRun: false,
  reason: 'the shop moved to shop_2026 a month ago',
  actor: { name: 'cleanup-bot', role: 'agent' },
  target: { id: `db_${name}`, name, critical },
  createdAt: new Date(Date.now() - 4 * 60_000).toISOString(),
  expiresAt: new Date(Date.now() + 22.5 * 3_600_000).toISOString(),
  planHash: HASH,
  plan: [
    { id: 'a', title: `Stop the importer that writes to ${name}`, undo: 'automatic' },
    { id: 'b', title: `Drop the database ${name} (1.2 GB)`, undo: 'none' },
  ],
  impact: {
    blastRadius: [
      { id: 'svc_1', name: 'shop-archive', critical: true },
      { id: 'svc_2', name: 'reports', critical: false },
    ],
    undo: { automatic: 1, approval: 0, none: 1 },
    recoveryPoint: null,
  },
  checks: [],
  changes: [],
  phases: [],
});

/** Runs that wait, and what becomes of them. The proofs are checked by the real thing. */
function deciding(identity: () => SmallComposition['identity']) {
  const state = {
    runs: [waiting('run_1', 'shop_2019'), waiting('run_2', 'shop_2020', true), waiting('run_3', 'shop_2021')],
    approved: [] as string[],
    rejected: [] as string[],
    mode: { mode: 'normal' } as object,
  };
  const any = z.any();
  const take = (id: string): void => void (state.runs = state.runs.filter((run) => run.id !== id));
  const described = { summary: 'x', title: 'x' };
  const query = (name: string, handle: () => unknown, input: z.ZodObject = NoInput): AnyOperation =>
    defineQuery({ ...described, name, permission: 'read', input, output: any, handle: async () => handle() });
  const operations = [
    query('overview', () => ({
      verdict: 'attention',
      sentence: `You are needed: ${state.runs.length} plans wait for your approval.`,
      version: '0.1.0',
      node: { name: 'web-1' },
      services: { up: 2, down: 0, degraded: 0, stopped: 0 },
      notices: [],
    })),
    query('mode', () => state.mode),
    query('runs', () => ({ items: state.runs }), z.object({ status: z.string().optional(), limit: z.coerce.number() })),
    defineCommand({
      ...described,
      name: 'approve-run',
      permission: 'operate',
      input: z.object({ id: z.string(), planHash: z.string(), proof: Proof.optional() }),
      output: any,
      paths: ['/api/v1/runs/{id}/approve'],
      async handle({ id, planHash, proof }, { actor, from }) {
        if (!proof) throw new StewardError('CONFIRMATION_REQUIRED', 'Show that it is you.');
        const { method } = await identity().confirm({ actor, proof, purpose: approvalPurpose(id, planHash), from });
        state.approved.push(`${id} by ${method}`);
        take(id);
      },
    }),
    defineCommand({
      ...described,
      name: 'reject-run',
      permission: 'operate',
      input: z.object({ id: z.string(), reason: z.string() }),
      output: any,
      paths: ['/api/v1/runs/{id}/reject'],
      async handle({ id, reason }) {
        state.rejected.push(`${id}: ${reason}`);
        take(id);
      },
    }),
    defineCommand({
      ...described,
      name: 'set-mode',
      permission: 'operate',
      input: z.object({ mode: z.string(), reason: z.string() }),
      output: any,
      handle: async ({ mode, reason }, { actor, now }) => (state.mode = { mode, reason, by: actor.name, since: now }),
    }),
  ];
  return { state, operations };
}

describe.skipIf(!BROWSER)('the dashboard, for who signs in and decides (needs Chromium)', () => {
  let small: SmallComposition;
  let seen: Visit;
  let page: Page;
  let url: string;
  let key = '';
  let recovery: string[] = [];
  const { state, operations } = deciding(() => small.identity);
  const code = (): string => new TOTP({ secret: Secret.fromBase32(key) }).generate();
  const button = (name: string) => page.getByRole('button', { name, exact: true });
  const asks = (name: string) => page.getByRole('region', { name: `drop-old-database ${name} waits for you` });
  const dialog = () => page.getByRole('dialog').last();
  const account = async (): Promise<void> => {
    await button('ada').click();
    await page.getByRole('menuitem', { name: 'Your account' }).click();
    await page.getByRole('heading', { name: 'Your account' }).waitFor();
  };
  const home = (): Promise<void> => page.getByRole('link', { name: 'Home' }).click();
  const signOut = async (): Promise<void> => {
    await button('ada').click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
  };

  beforeAll(async () => {
    small = await composeSmall({ operations });
    url = (await small.rest.listen()).url.replace('127.0.0.1', 'localhost');
    seen = await visit(url, { width: 1100, height: 900 });
    ({ page } = seen);
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('WebAuthn.enable');
    await cdp.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2',
        transport: 'internal',
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
      },
    });
    await page.goto(((await small.identity.setupLink(url)) ?? '').replace('127.0.0.1', 'localhost'));
    await page.getByLabel('Name').fill('ada');
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Needs you' }).waitFor();
  });
  afterAll(async () => {
    await seen?.[Symbol.asyncDispose]();
    await small?.stop();
  });

  // A window that a test left open would stand before everything that comes after it.
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') await page.goto(url);
  });

  it('shows of a plan what would happen, what cannot be taken back, what hangs on it, and until when', async () => {
    const text = await asks('shop_2019').innerText();

    for (const said of [
      'destroys',
      'an AI agent',
      'the shop moved to shop_2026',
      'expires in 22 h',
      'taken back by itself if it fails',
      'cannot be taken back',
      'shop-archive (critical)',
      'nothing to restore is known',
    ])
      expect(text).toContain(said);
    await seen.picture('identity-needs-you');
  });

  it('approves what destroys with the password, and with no other', async () => {
    await asks('shop_2019').getByRole('button', { name: 'Approve this plan…' }).click();
    await dialog().getByLabel('Your password').fill('not it');
    await page.keyboard.press('Enter');
    await page.getByText('The password is wrong').waitFor();
    expect(state.approved).toEqual([]);

    await dialog().getByLabel('Your password').fill(PASSWORD);
    await page.keyboard.press('Enter');
    await asks('shop_2019').waitFor({ state: 'detached' });

    expect(state.approved).toEqual(['run_1 by password']);
  });

  it('adds a passkey, and approves with it', async () => {
    await account();
    await button('Add a passkey…').click();
    await dialog().getByLabel('Your password').fill(PASSWORD);
    await dialog().getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('This device').waitFor();
    await seen.picture('identity-account');
    await home();
    await asks('shop_2020').getByRole('button', { name: 'Approve with a passkey' }).click();
    await asks('shop_2020').waitFor({ state: 'detached' });

    expect(state.approved).toEqual(['run_1 by password', 'run_2 by passkey']);
  });

  it('rejects with a reason', async () => {
    await asks('shop_2021').getByRole('button', { name: 'Reject…' }).click();
    await dialog().getByLabel('Why').fill('the archive still reads it');
    await seen.picture('identity-reject');
    await dialog().getByRole('button', { name: 'Reject', exact: true }).click();
    await asks('shop_2021').waitFor({ state: 'detached' });

    expect(state.rejected).toEqual(['run_3: the archive still reads it']);
  });

  it('sets up an authenticator app, and gives recovery codes', async () => {
    await account();
    await button('Set up an authenticator app…').click();
    await dialog().getByLabel('Your password').fill(PASSWORD);
    await dialog().getByRole('button', { name: 'Go on' }).click();
    await dialog().getByLabel('Code').waitFor();
    key = (await dialog().locator('pre').innerText()).replaceAll(' ', '');
    const scanned = dialog().getByRole('img', { name: 'The key, to be scanned' });
    expect(await scanned.locator('path').getAttribute('d')).toMatch(/^M\d+ \d+h1v1h-1z/);
    await seen.picture('identity-authenticator');
    await dialog().getByLabel('Code').fill(code());
    await dialog().getByRole('button', { name: 'Turn it on' }).click();
    await page.getByText('Your recovery codes').waitFor();
    recovery = (await page.locator('[data-shown-once]').innerText()).trim().split('\n');
    expect(recovery).toHaveLength(10);
    await seen.picture('identity-recovery-codes');
    await dialog().getByRole('button', { name: 'I have kept it' }).click();

    await page.getByText('10 recovery codes are left.').waitFor();
    await home();
  });

  it('asks for the code at sign-in', async () => {
    await signOut();
    await page.getByLabel('Name').fill('ada');
    await seen.picture('identity-sign-in');
    await page.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByLabel('Code').fill('000000');
    await page.keyboard.press('Enter');
    await page.getByText('The code is wrong').waitFor();
    await seen.picture('identity-code');
    await page.getByLabel('Code').fill(recovery[0] ?? '');
    await page.keyboard.press('Enter');

    await page.getByText('live', { exact: true }).waitFor();
  });

  it('signs in with the passkey alone', async () => {
    await signOut();
    await button('Sign in with a passkey').click();

    await page.getByText('live', { exact: true }).waitFor();
  });

  it('stops everything, says so, and releases it again', async () => {
    await button('Stop everything…').click();
    await dialog().getByLabel('Why').fill('the disks fail');
    await dialog().getByRole('button', { name: 'Stop everything', exact: true }).click();
    await page.getByText('Steward is stopped').waitFor();
    expect(await page.getByRole('alert').first().innerText()).toContain('By ada');
    await page.setViewportSize({ width: 390, height: 800 });
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    await seen.picture('identity-stopped-phone');
    await page.setViewportSize({ width: 1100, height: 900 });

    await button('Release…').click();
    await dialog().getByLabel('Why').fill('new disks');
    await dialog().getByRole('button', { name: 'Release', exact: true }).click();
    await page.getByText('Steward is stopped').waitFor({ state: 'detached' });
  });

  it('says at a bare address why there are no passkeys, and where there are', async () => {
    const bare = await seen.browser.newPage();
    await bare.goto(url.replace('localhost', '127.0.0.1'));
    await bare.getByLabel('Name').fill('ada');
    await bare.getByRole('textbox', { name: 'Password' }).fill(PASSWORD);
    await bare.keyboard.press('Enter');
    await bare.getByLabel('Code').fill(recovery[1] ?? '');
    await bare.keyboard.press('Enter');
    await bare.getByText('live', { exact: true }).waitFor();
    await bare.getByRole('button', { name: 'ada', exact: true }).click();
    await bare.getByRole('menuitem', { name: 'Your account' }).click();

    await bare.getByText(`open ${url} instead`).waitFor();
    await bare.close();
  });

  it('broke no rule of its own policy', () => expect(seen.complaints).toEqual([]));
});
