import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { describeApiProperties } from './api-properties.ts';
import { composeSmall } from './small-composition.ts';

const small = await composeSmall();
afterAll(() => small.stop());

describeApiProperties(
  'the API of identity and audit',
  async () => ({
    app: small.rest.app,
    catalog: small.catalog,
    tokens: [
      (await readFile(join(small.home, 'cli-token'), 'utf8')).trim(),
      await small.tokenOf('viewer'),
      await small.tokenOf('operator'),
      await small.tokenOf('agent'),
      'stw_made_up',
    ],
    runs: async () => small.runs.started.length,
  }),
  async () => small.catalog,
  // It fails on purpose.
  { leaveOut: ['stumble'] },
);
