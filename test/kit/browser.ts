import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Where Debian and others have a browser; undefined where there is none. */
export const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

/** What a refused answer and a broken connection write to the console of any page. */
const EXPECTED = /status of 40[0-9]|ERR_[A-Z_]+|net::/;

export interface Visit extends AsyncDisposable {
  readonly browser: Browser;
  readonly page: Page;
  /** Rules of its own policy that it broke, faults in its script, and hosts that it asked besides its own. */
  readonly complaints: readonly string[];
  /** STEWARD_SCREENSHOTS=<folder> keeps pictures, for people to look at. */
  picture(name: string): Promise<void>;
  /** Serious and critical findings of axe on what is shown; of these rules, or of all. */
  barriers(rules?: readonly string[]): Promise<string[]>;
}

export async function visit(origin: string, size = { width: 1280, height: 860 }): Promise<Visit> {
  const browser = await chromium.launch({ executablePath: BROWSER ?? '', args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: size, colorScheme: 'light' });
  // A test that waits in vain says so before its own time is over, and where.
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !EXPECTED.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(origin) && !/^(?:data|blob):/.test(request.url()))
      complaints.push(`asked ${request.url()}`);
  });
  return {
    browser,
    page,
    complaints,
    async picture(name) {
      const folder = process.env['STEWARD_SCREENSHOTS'];
      if (folder === undefined) return;
      await mkdir(folder, { recursive: true });
      await page.screenshot({ path: join(folder, `${name}.png`) });
    },
    barriers: (rules) => barriersOn(page, rules),
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What is on its way to another colour is judged when it is there. */
const SETTLED = `(async () => {
  for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
  const ending = document.getAnimations().filter(({ effect }) => Number.isFinite(effect?.getComputedTiming().endTime));
  await Promise.allSettled(ending.map(({ finished }) => finished));
})()`;

async function barriersOn(page: Page, rules?: readonly string[]): Promise<string[]> {
  await page.evaluate(SETTLED);
  // By the protocol of the browser: the policy of the page lets no script in.
  await page.evaluate(readFileSync(AXE, 'utf8'));
  const { violations } = await page.evaluate<{
    violations: { id: string; impact: string; nodes: { target: string[]; failureSummary: string }[] }[];
  }>(`axe.run(document, ${JSON.stringify({ resultTypes: ['violations'], ...(rules && { runOnly: rules }) })})`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} at ${target.join(' ')}: ${failureSummary}`),
    );
}
