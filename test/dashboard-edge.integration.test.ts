import { createHash, createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminApi, type Api } from './kit/api.ts';
import { BROWSER, type Visit, visit } from './kit/browser.ts';
import { eventually, freePort, makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

const SECRET = 'a secret of the bank, long enough';
const KEY = 'key-of-the-shop-0123456789abcdef';

describe.skipIf(!BROWSER)('webhooks and gateway on the dashboard (needs Chromium)', () => {
  let upstream: Server;
  let home: string;
  let running: RunningSteward;
  let api: Api;
  let seen: Visit;
  let hooks: string;
  let gateway: string;

  beforeAll(async () => {
    upstream = createServer((_request, response) => void response.end('hello'));
    await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
    const { port } = upstream.address() as { port: number };
    const [hooksPort, gatewayPort] = [await freePort(), await freePort()];
    hooks = `http://127.0.0.1:${hooksPort}`;
    gateway = `http://127.0.0.1:${gatewayPort}`;
    home = makeHome(`discovery: { enabled: false }
machine: { watch: false }
webhooks:
  port: ${hooksPort}
  types:
    bank: {}
    shop: {}
gateway:
  port: ${gatewayPort}
  upstreams: { pages: { targets: ['http://127.0.0.1:${port}'] } }
  auth:
    keys: { type: keys, keys: { till: { sha256: ${createHash('sha256').update(KEY).digest('hex')}, user: till, plan: paid } } }
  limits: { anonymous: 6 }
  routes:
    open: { path: /open, upstream: pages }
    private: { path: /private, upstream: pages, auth: [keys] }
workflows:
  custom:
    - name: after-bank
      triggers: [{ event: webhook.received, where: [{ from: data.data.kind, equals: deposit }] }]
      steps: [{ id: look, automation: monitor-service, input: { service: all } }]
`);
    running = await startSteward({ home, env: { WEBHOOK_SECRET_BANK: SECRET, WEBHOOK_SECRET_SHOP: SECRET } });
    ({ api } = await adminApi(running));
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
    await running?.stop();
    upstream?.close();
    if (home) await removeHome(home);
  }, 60_000);

  async function pictures(name: string): Promise<void> {
    const { page } = seen;
    for (const [colorScheme, width, height] of [
      ['light', 1280, 860],
      ['dark', 390, 844],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      expect(await seen.barriers()).toEqual([]);
      await seen.picture(`${name}-${colorScheme}-${width}`);
      expect(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1280, height: 860 });
  }

  const send = async (type: string, body: string, signed = true): Promise<number> =>
    (
      await fetch(`${hooks}/${type}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(signed && { 'x-webhook-signature': createHmac('sha256', SECRET).update(body).digest('base64') }),
        },
        body,
      })
    ).status;

  it('show webhooks with what they started and why others were refused; one is replayed, a type paused and resumed', async () => {
    const { page } = seen;
    expect(await send('bank', '{"kind":"deposit","amount":12,"password":"hunter2"}')).toBe(202);
    expect(await send('bank', '{"kind":"deposit","amount":13}', false)).toBe(401);
    expect(await send('nowhere', '{}')).toBe(401);
    expect(await send('nowhere', '{}')).toBe(401);
    await page.goto(`${running.url}/webhooks`);
    await page.getByText('1 taken and 3 refused since it began.').waitFor();
    await page.getByText(/^HTTP 401 to 127\.0\.0\.1, .* 2 times/).waitFor();
    await page.getByText('The secret here and at the sender differ').waitFor();
    await page.getByText('No type of that name is configured here').waitFor();

    await page.getByRole('button', { name: /^Show / }).click();
    await page.getByText('"amount": 12').waitFor();
    expect(await page.getByText('hunter2').count()).toBe(0);
    await page.getByRole('link', { name: 'after-bank' }).waitFor({ timeout: 40_000 });
    await pictures('webhooks');
    await page.getByRole('button', { name: /^Replay/ }).click();
    await page.getByRole('button', { name: 'Replay', exact: true }).click();
    await page.getByText('replayed once').waitFor();

    await page.getByRole('button', { name: 'Pause… (shop)' }).click();
    await page.getByLabel('Why').fill('the shop is being moved');
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByText(/the shop is being moved, by ada/).waitFor();
    expect(await send('shop', '{"n":1}')).toBe(202);
    await page.getByText('held back').filter({ visible: true }).first().waitFor();
    await page.getByRole('button', { name: 'Resume shop' }).click();
    await page.getByText('the shop is being moved').waitFor({ state: 'detached' });
    await eventually(
      'it was told',
      async () =>
        (await api.get<{ items: { type: string; state: string }[] }>('webhooks')).items.some(
          ({ type, state }) => type === 'shop' && state === 'told',
        ) || undefined,
    );
  }, 120_000);

  it('show the counters of each route and why a request was refused', async () => {
    const { page } = seen;
    const ask = async (path: string, headers: Record<string, string> = {}) =>
      await fetch(`${gateway}${path}`, { headers });
    expect((await ask('/private', { 'x-api-key': KEY })).status).toBe(200);
    const refused = await ask('/private', { 'x-api-key': 'a wrong one' });
    expect(refused.status).toBe(401);
    expect((await ask('/elsewhere')).status).toBe(404);
    for (let n = 0; n < 8; n += 1) await ask('/open');
    await page.goto(`${running.url}/gateway-status`);
    const row = page.getByRole('row', { name: /^private/ });
    await row.waitFor();
    expect(await row.getByRole('cell').allTextContents()).toEqual([
      '2',
      '1',
      '0',
      expect.stringMatching(/ms/),
      'pages',
      'keys',
    ]);
    await page
      .getByText(/^Too many requests came from this address\. \d of 6 used\./)
      .first()
      .waitFor();
    await page.getByRole('button', { name: /^Why/ }).first().click();
    await page
      .getByText(/^\d+ of 6 used by/)
      .first()
      .waitFor();
    await pictures('gateway');
    await page.getByLabel('The X-Request-Id of its answer').fill(refused.headers.get('x-request-id') ?? '');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page
      .getByText(/Who asks could not be verified/)
      .last()
      .waitFor();
    await page.getByLabel('Route', { exact: true }).selectOption('private');
    await page
      .getByText(/^HTTP 401/)
      .first()
      .waitFor();
  }, 90_000);

  it('broke no rule of its own policy', () => expect(seen.complaints).toEqual([]));
});
