import { describe, expect, it } from 'vitest';
import type { Runbook } from '../../core/runbook.ts';
import { HEALING, shippedRunbooks } from '../../testing/healing.ts';
import { initialStanding, judge, type Outcome } from './trust.ts';

const rule = HEALING.autonomy;
const runbook = (more: Partial<Runbook>): Runbook => ({ ...(shippedRunbooks()[0] as Runbook), ...more });
const fresh = runbook({ name: 'mine', disruptive: true, autonomy: 'earned' });
const trusted = runbook({ name: 'restart', disruptive: true, autonomy: 'trusted' });

/** The latest first: + helped, - failed, ~ helped and was back soon. */
function outcomes(text: string, fingerprint = (index: number) => `service.down:${index % 4}`): Outcome[] {
  return text.split('').map((sign, index) => ({
    helped: sign === '+',
    recurred: sign === '~',
    fingerprint: fingerprint(index),
    at: new Date(Date.UTC(2026, 2, 1, 12) - index * 60_000),
  }));
}
const asked = { standing: 'propose' as const, since: undefined };
const acts = { standing: 'auto' as const, since: undefined };

describe('what a runbook may do by itself', () => {
  it('begins with asking, unless it ships trusted, disturbs nobody, or somebody vouches for it', () => {
    expect(initialStanding(fresh, rule)).toBe('propose');
    expect(initialStanding(trusted, rule)).toBe('auto');
    expect(initialStanding({ ...fresh, disruptive: false }, rule)).toBe('auto');
    expect(initialStanding(fresh, { ...rule, trusted: ['mine'] })).toBe('auto');
    expect(initialStanding(fresh, { ...rule, by: 'policy' })).toBe('auto');
  });

  it.each([
    ['', 'propose'],
    ['++++', 'propose'],
    ['+++++', 'auto'],
    ['+++++-', 'auto'],
    ['+++++--', 'propose'],
    ['-+++++', 'auto'],
    ['~+++++', 'auto'],
  ])('is earned by %j: %s', (signs, standing) => {
    expect(judge(fresh, rule, asked, outcomes(signs)).standing).toBe(standing);
  });

  it.each([
    ['+++++', 'auto'],
    ['-+++++', 'auto'],
    ['----+++++', 'propose'],
    ['~+++++', 'propose'],
  ])('is lost by %j: %s', (signs, standing) => {
    expect(judge(fresh, rule, acts, outcomes(signs)).standing).toBe(standing);
  });

  it('is earned again by what came after it was lost, and not by what was before', () => {
    const since = new Date(Date.UTC(2026, 2, 1, 12) - 4.5 * 60_000);
    expect(judge(fresh, rule, { standing: 'propose', since }, outcomes('+++++++++')).standing).toBe('auto');
    expect(judge(fresh, rule, { standing: 'propose', since }, outcomes('++++-++++')).standing).toBe('propose');
  });

  it('is not taken from one that ships trusted by a single broken service, but by many failures of several', () => {
    expect(
      judge(
        trusted,
        rule,
        acts,
        outcomes('----------', () => 'service.down:x'),
      ).standing,
    ).toBe('auto');
    expect(judge(trusted, rule, acts, outcomes('---')).standing).toBe('auto');
    expect(judge(trusted, rule, acts, outcomes('----------')).standing).toBe('propose');
  });

  it('says by which numbers', () => {
    expect(judge(fresh, rule, asked, outcomes('+++-')).why).toBe(
      '3 of 4 attempts helped (75 %); 5 that helped and 80 % are asked.',
    );
    expect(judge(fresh, rule, acts, outcomes('----+++++')).why).toContain('below 60 % it may not act by itself');
  });
});
