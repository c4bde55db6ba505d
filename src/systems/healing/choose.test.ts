import { expect, it } from 'vitest';
import type { Runbook } from '../../core/runbook.ts';
import { watchedService } from '../../testing/watched-world.ts';
import { shippedRunbooks } from '../../testing/healing.ts';
import { choose } from './choose.ts';

const runbook: Runbook = {
  ...(shippedRunbooks()[0] as Runbook),
  name: 'tidy-up',
  heals: ['disk.full'],
  needs: { labels: {}, credentials: false },
  input: {},
  cooldown: '1h',
  tries: 2,
};
const trouble = {
  symptom: 'disk.full',
  resource: watchedService('builder'),
  checks: [],
  check: undefined,
  seen: undefined,
};

it('what waits for the end of a cooldown says so in the same words at each look, so that it is told once', () => {
  const lastAt = new Date('2026-03-01T12:00:00Z');
  const tried = new Map([['tidy-up', { runbook: 'tidy-up', failures: 1, lastOutcome: 'no room', lastAt }]]);
  const looks = [1_000, 2_000, 600_000].map((later) =>
    choose([runbook], trouble, tried, new Date(lastAt.getTime() + later)),
  );
  for (const look of looks)
    expect(look).toMatchObject({
      kind: 'wait',
      until: new Date('2026-03-01T13:00:00Z'),
      why: 'tidy-up is tried again after its cooldown, at 2026-03-01T13:00:00.000Z.',
    });
});
