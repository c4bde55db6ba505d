import { readFile, readdir } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join, relative } from 'node:path';
import { Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Verdict } from './handlers/webhooks/receive.ts';
import { webhookSuite } from './testing/webhook-suite.ts';

const HERE = import.meta.dirname;
const ENTRY = 'testing/worker.ts';

describe('the webhook receiver, judged in workerd', () => {
  let worker: Miniflare;

  beforeAll(async () => {
    worker = new Miniflare({ modules: await modules(), modulesRoot: HERE, compatibilityDate: '2026-07-01' });
    await worker.ready;
  });
  afterAll(() => worker.dispose());

  webhookSuite(async (cases) => {
    const answer = await worker.dispatchFetch('http://edge/', { method: 'POST', body: JSON.stringify(cases) });
    if (!answer.ok) throw new Error(await answer.text());
    return (await answer.json()) as Verdict[];
  }, 10_000);
});

/** The handlers as they are: only their types are taken off. */
async function modules() {
  const entries = await readdir(join(HERE, 'handlers'), { recursive: true, withFileTypes: true });
  const handlers = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map(({ parentPath, name }) => relative(HERE, join(parentPath, name)));
  return await Promise.all(
    [ENTRY, 'testing/case.ts', ...handlers].map(async (path) => ({
      type: 'ESModule' as const,
      path: join(HERE, path),
      contents: stripTypeScriptTypes(await readFile(join(HERE, path), 'utf8')),
    })),
  );
}
