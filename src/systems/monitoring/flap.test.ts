import { describe, expect, it } from 'vitest';
import { changePercent, type FlapMemory, remember } from './flap.ts';

const play = (results: string, from: FlapMemory = { recent: '', flapping: false }): FlapMemory =>
  results.split('').reduce((memory, letter) => remember(memory, letter === 'd' ? 'down' : 'up'), from);

describe('the share of changes', () => {
  it('is nothing where nothing changes, all where each result differs, and weighs new changes more than old ones', () => {
    expect(changePercent('u'.repeat(21))).toBe(0);
    expect(changePercent('ud'.repeat(11).slice(0, 21))).toBe(100);
    expect(changePercent(`${'u'.repeat(20)}d`)).toBe(6);
    expect(changePercent(`d${'u'.repeat(20)}`)).toBe(4);
    expect(changePercent('')).toBe(0);
  });

  it('is a little under a third for seven old changes of twenty, and a little over it for seven new ones', () => {
    expect(changePercent(`udududud${'d'.repeat(13)}`)).toBe(30);
    expect(changePercent(`${'d'.repeat(13)}dudududu`)).toBe(40);
  });
});

describe('flapping', () => {
  it('begins above the high limit and ends below the low one only, so that it does not flap itself', () => {
    expect(play('u'.repeat(21)).flapping).toBe(false);
    expect(play('uuuuuuuuuddddddddd').flapping).toBe(false);
    const flapping = play('udududud');
    expect(flapping.flapping).toBe(true);
    const calmer = play('u'.repeat(18), flapping);
    expect(changePercent(calmer.recent)).toBeLessThan(20);
    expect(calmer.flapping).toBe(true);
    expect(play('u'.repeat(21), flapping).flapping).toBe(false);
  });

  it('does not count what was stopped and what nobody could see', () => {
    const before = play('udu');
    expect(remember(before, 'stopped')).toEqual(before);
    expect(remember(before, 'unknown')).toEqual(before);
  });
});
