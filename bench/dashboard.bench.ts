// How soon the first screen is there, of a Steward with 200 services and 50 runs, beside a page with one heading in the same
// browser; and how long the page is ever busy at a stretch while 50 events a second stream in.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import type pg from 'pg';
import { apiOf, type SeenService } from '../test/kit/api.ts';
import { BROWSER, visit } from '../test/kit/browser.ts';
import { withDatabase } from '../test/kit/database.ts';
import { eventually, makeHome, removeHome, sleep, startSteward, stewardJson } from '../test/kit/steward.ts';
import { median, report, RUNS } from './result.ts';

const SERVICES = 200;
const RUNS_SHOWN = 50;
const EVENTS_PER_SECOND = 50;
const STREAMED_S = 10;
const PAGES = ['/', '/services'];
/** When the latest run, or the one heading, is there first, from the last byte of the HTML on; and every task of 50 ms and more. */
const WATCH = `
  window.longTasks = [];
  new PerformanceObserver((list) => window.longTasks.push(...list.getEntries().map(({ duration }) => duration)))
    .observe({ type: 'longtask', buffered: true });
  window.there = new Promise((done) => {
    const look = () => {
      if (!document.querySelector('a[href^="/runs/run_"], body > h1')) return requestAnimationFrame(look);
      done(performance.now() - performance.getEntriesByType('navigation')[0].responseEnd);
    };
    requestAnimationFrame(look);
  });`;

if (BROWSER === undefined) throw new Error('There is no Chromium here.');
const servers = await Promise.all(Array.from({ length: SERVICES }, () => serve('ok')));
const empty = await serve('<!doctype html><title>empty</title><h1>Everything is all right</h1>', 'text/html');
const home = makeHome(
  JSON.stringify({
    machine: { watch: false },
    services: servers.map((server, n) => ({ name: `service-${n}`, match: { port: portOf(server) } })),
  }),
);
const running = await startSteward({ home });
const seen = await visit(running.url);
try {
  const { token } = await stewardJson<{ token: string }>(home, [
    'token',
    'create',
    '--role',
    'admin',
    '--name',
    'bench',
  ]);
  const api = apiOf(running.url, token);
  const ids = await eventually(
    `${SERVICES} services are up`,
    async () => {
      const up = (await api.get<SeenService[]>('services')).filter(({ state }) => state === 'up');
      return up.length < SERVICES ? undefined : up.map(({ id }) => id);
    },
    180_000,
  );
  for (let n = 0; n < RUNS_SHOWN; n += 1)
    await api.post('automations/restart-service/runs', { input: { service: `service-${n}` }, dryRun: true });

  const { page } = seen;
  await page.addInitScript(WATCH);
  await page.goto(/http:\S+\/setup#\S+/.exec(running.output())?.[0] ?? '');
  await page.getByLabel('Name').fill('ada');
  await page.getByRole('textbox', { name: 'Password' }).fill('correct horse battery');
  await page.keyboard.press('Enter');
  await page.getByText('live', { exact: true }).waitFor();

  const [own, bare]: [number[], number[]] = [[], []];
  for (let run = 0; run < RUNS; run += 1) {
    own.push(await firstScreen(page, running.url));
    bare.push(await firstScreen(page, `http://127.0.0.1:${portOf(empty)}`));
  }
  const longest = await withDatabase(home, (store) => longestTasks(page, store, ids));
  const [screen, peer, task] = [median(own), median(bare), median(longest)];
  report([
    {
      name: 'dashboard',
      figure: `first screen of ${SERVICES} services and ${RUNS_SHOWN} runs, from the HTML on`,
      unit: 'ms',
      value: screen,
      runs: RUNS,
      peer: { name: 'a page with one heading', value: peer },
      ratio: screen / peer,
      goal: 'within 1 s',
      ok: screen <= 1_000,
    },
    {
      name: 'dashboard',
      figure: `longest task while ${EVENTS_PER_SECOND} events a second stream in`,
      unit: 'ms',
      value: task,
      runs: longest.length,
      goal: 'under 200 ms',
      ok: task < 200,
    },
  ]);
} finally {
  await seen[Symbol.asyncDispose]();
  await running.stop();
  await removeHome(home);
}
process.exit(0);

async function firstScreen(page: Page, url: string): Promise<number> {
  await page.goto(url);
  return await page.evaluate<number>('window.there');
}

/** Of each page, several times: how long it was busy at a stretch at most; 0 where never for 50 ms. */
async function longestTasks(page: Page, store: pg.Client, ids: readonly string[]): Promise<number[]> {
  const longest: number[] = [];
  for (let run = 0; run < RUNS; run += 1)
    for (const path of PAGES) {
      await page.goto(`${running.url}${path}`);
      await page.getByText('live', { exact: true }).waitFor();
      await page.getByRole('heading', { level: 1 }).waitFor();
      await sleep(1_000);
      await page.evaluate('window.longTasks.length = 0');
      for (let tick = 0; tick < STREAMED_S * 10; tick += 1) {
        await store.query(
          `insert into events (at, type, subject_kind, subject_id, data)
           select now(), 'service.up', 'service', unnest($1::text[]), '{}'`,
          [Array.from({ length: EVENTS_PER_SECOND / 10 }, (_, n) => ids[(tick * 5 + n) % ids.length])],
        );
        await store.query('notify steward_events');
        await sleep(100);
      }
      longest.push(await page.evaluate<number>('Math.max(0, ...window.longTasks)'));
    }
  return longest;
}

async function serve(text: string, type = 'text/plain'): Promise<Server> {
  const server = createServer((_request, response) => response.setHeader('content-type', type).end(text));
  await new Promise<void>((open) => server.listen(0, '127.0.0.1', open));
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
