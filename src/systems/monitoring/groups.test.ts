import fc from 'fast-check';
import { expect, it } from 'vitest';
import { foldGroup, type Member } from './groups.ts';

const states = ['up', 'degraded', 'down', 'stopped', 'unknown', 'pending'] as const;

const member = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  state: fc.constantFrom(...states),
  inMaintenance: fc.boolean(),
});

function are(...all: Member['state'][]): Member[] {
  return all.map((state, index) => ({
    name: `db-${index + 1}`,
    state,
    inMaintenance: false,
    ...(state === 'down' && { why: 'tcp: connection refused' }),
  }));
}

it('is up, degraded or down by how many of its members fail', () => {
  expect(foldGroup(are('up', 'up', 'up'), 2)).toMatchObject({ state: 'up' });
  expect(foldGroup(are('up', 'down', 'degraded'), 2)).toMatchObject({
    state: 'degraded',
    message: '2 of 3 up, at least 2 needed; db-2 is down (tcp: connection refused)',
  });
  expect(foldGroup(are('up', 'down', 'down'), 2)).toMatchObject({
    state: 'down',
    message:
      '1 of 3 up, at least 2 needed; db-2 is down (tcp: connection refused); db-3 is down (tcp: connection refused)',
  });
});

it('needs all of them where nothing else is said', () => {
  expect(foldGroup(are('up', 'down'))).toMatchObject({ state: 'down' });
});

it('does not judge what it cannot: unknown members decide only where they could', () => {
  expect(foldGroup(are('up', 'up', 'unknown'), 2)).toMatchObject({ state: 'up' });
  expect(foldGroup(are('up', 'pending', 'down'), 2)).toMatchObject({ state: 'unknown' });
  expect(foldGroup(are('unknown', 'down', 'down'), 2)).toMatchObject({ state: 'down' });
  expect(foldGroup([], 1)).toMatchObject({ state: 'unknown', message: 'none of its members is known yet' });
});

it('takes a stop on purpose and maintenance for no failure, and is stopped where that is all there is', () => {
  const [first, ...rest] = are('down', 'up', 'down');
  if (!first) throw new Error('no member');
  expect(foldGroup([{ ...first, inMaintenance: true }, ...rest], 2)).toMatchObject({ state: 'degraded' });
  expect(foldGroup(are('stopped', 'stopped'))).toMatchObject({ state: 'stopped' });
});

it('names five of many that fail, and how many more', () => {
  const { message } = foldGroup(are(...Array.from({ length: 60 }, () => 'down' as const)), 1);
  expect(message).toContain('db-5 is down');
  expect(message).not.toContain('db-6 ');
  expect(message).toContain('and 55 more are down');
});

it('holds for every N of M: down means too few could be well, degraded that some fail and enough are left', () => {
  fc.assert(
    fc.property(
      fc.array(member, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 14 }),
      (members, atLeast) => {
        const { state } = foldGroup(members, atLeast);
        const failed = members.filter((each) => !each.inMaintenance && each.state === 'down').length;
        const open = members.filter(
          (each) => !each.inMaintenance && (each.state === 'unknown' || each.state === 'pending'),
        ).length;
        const fine = members.length - failed - open;
        if (state === 'down') expect(members.length - failed).toBeLessThan(atLeast);
        else expect(members.length - failed).toBeGreaterThanOrEqual(atLeast);
        if (state === 'unknown') expect(fine).toBeLessThan(atLeast);
        if (state === 'degraded') expect([failed > 0, fine >= atLeast]).toEqual([true, true]);
        if (state === 'up' || state === 'stopped') expect([failed, fine >= atLeast]).toEqual([0, true]);
      },
    ),
  );
});

it('never gets better by a member that fails', () => {
  const rank = { stopped: 0, up: 0, degraded: 1, unknown: 2, down: 3 } as const;
  fc.assert(
    fc.property(
      fc.array(member, { minLength: 1, maxLength: 12 }),
      fc.nat(),
      fc.integer({ min: 1, max: 12 }),
      (members, which, atLeast) => {
        const index = which % members.length;
        const worse = members.map((each, position) =>
          position === index ? { ...each, state: 'down' as const, inMaintenance: false } : each,
        );
        expect(rank[foldGroup(worse, atLeast).state]).toBeGreaterThanOrEqual(rank[foldGroup(members, atLeast).state]);
      },
    ),
  );
});
