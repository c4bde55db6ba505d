import { expect, it } from 'vitest';
import { type Check, CheckTarget } from '../../core/check.ts';
import { PlacesRule } from '../../core/places-rule.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { WatchedService, watchedCheck } from './service.ts';
import { newCheckState } from './state.ts';

const NOW = new Date('2026-06-01T12:00:00Z');
const CHECK: Check = {
  id: 'chk_1',
  resourceId: 'shop',
  origin: 'configured',
  target: CheckTarget.parse({ kind: 'http', url: 'http://127.0.0.1/' }),
  every: '60s',
  timeout: '5s',
  failures: 1,
  successes: 1,
  slow: '30s',
  places: PlacesRule.parse({ need: 2 }),
};

it('a failure that is seen here counts where nobody can be asked what other places see', async () => {
  const watched = watchedCheck(CHECK, 1, newCheckState(NOW));
  const service = new WatchedService(
    aResource({ id: 'shop' }),
    [watched],
    { state: 'pending', since: NOW },
    {
      prober: {
        probe: async () => ({ state: 'down', latencyMs: 1, message: 'refused', depth: 'connect', detail: {} }),
      },
      places: { judge: () => Promise.reject(new Error('the store is away')) },
      recorder: { result: () => undefined, news: () => undefined, flush: async () => undefined } as never,
      selfCheck: { blame: async () => undefined },
      node: 'n1',
      now: () => NOW,
      signal: new AbortController().signal,
    },
  );
  await service.probeAll();
  expect(service.status()).toMatchObject({ state: 'down', checks: [{ last: { message: 'refused' } }] });
});
