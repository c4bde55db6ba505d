import { afterEach, describe, expect, it, vi } from 'vitest';
import { probeSuite } from '../../testing/probe-suite.ts';
import { probeHttp } from './http.ts';

describe('a look over HTTP, in Node', () => {
  probeSuite((cases) => Promise.all(cases.map(({ target, times }) => probeHttp(target, times))), {
    tellsReasons: true,
  });

  describe('where the runtime does not let it ask', () => {
    afterEach(() => vi.unstubAllGlobals());

    it('says nothing of who would have been asked, in the words that Cloudflare documents', async () => {
      vi.stubGlobal('fetch', () => Promise.reject(new Error('Too many subrequests by single Worker invocation.')));
      const target = { kind: 'http', url: 'https://shop.example.org/', expectStatus: [200] } as const;
      expect(await probeHttp(target, { timeoutMs: 1_000, slowMs: 1_000 })).toMatchObject({
        state: 'unknown',
        message: 'cannot: the plan of this worker allows no more requests',
      });
    });
  });
});
