import { describe, expect, it } from 'vitest';
import { checkpointOf, thinned } from './checkpoints.ts';
import { csvField } from './export.ts';
import { messageOf } from './forward.ts';

describe('a field of a spreadsheet', () => {
  it.each([
    ['=1+2', '"\'=1+2"'],
    ['+1', '"\'+1"'],
    ['-1', '"\'-1"'],
    ['@SUM(A1)', '"\'@SUM(A1)"'],
    ['\t=1', '"\'\t=1"'],
    [' =cmd|x', '"\' =cmd|x"'],
    ['＝1', '"\'＝1"'],
    ['\u200b=1', '"\'\u200b=1"'],
  ])('is never computed: %j', (text, field) => expect(csvField(text)).toBe(field));

  it('is quoted where it must be, and plain where it may be', () => {
    expect(csvField('a "b", c\nd')).toBe('"a ""b"", c\nd"');
    expect(csvField('run.approved')).toBe('run.approved');
    expect(csvField(undefined)).toBe('');
    expect(csvField(7)).toBe('7');
    expect(csvField({ a: 1 })).toBe('"{""a"":1}"');
  });
});

describe('checkpoints', () => {
  const key = Buffer.alloc(32, 1);
  const now = new Date('2026-11-20T12:00:00Z');
  const line = (minutesAgo: number, seq: number): string =>
    JSON.stringify(checkpointOf(key, 'ab', { seq, hash: 'h' }, new Date(now.getTime() - minutesAgo * 60_000)));

  it('are thinned to all of a day, one an hour of a month, and one a day before, and stay in order', () => {
    const year = 365 * 24 * 60;
    const lines = Array.from({ length: year / 10 }, (_, n) => line(year - n * 10, n));
    const kept = thinned(lines, now);

    expect(kept.length).toBeLessThan(24 * 6 + 30 * 24 + 340);
    expect(kept.length).toBeGreaterThan(24 * 6 + 28 * 24 + 330);
    expect(kept.slice(-24 * 6)).toEqual(lines.slice(-24 * 6));
    const seqs = kept.map((text) => (JSON.parse(text) as { seq: number }).seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    expect(thinned(kept, now)).toEqual(kept);
  });

  it('keep what is none, for somebody put it there', () => {
    expect(thinned(['{"chain":', line(3_000, 1)], now)).toContain('{"chain":');
  });
});

describe('a record as a message', () => {
  it('leaves out what makes it too long for a receiver, and says what', () => {
    const message = messageOf({
      chain: 'ab',
      seq: 7,
      at: new Date(0),
      hash: 'ff',
      action: 'user.updated',
      outcome: 'refused',
      from: '::1',
      actor: { kind: 'user', id: 'usr_1', name: 'ada', role: 'admin' },
      before: 'b'.repeat(3_000),
      after: 'a'.repeat(3_000),
      detail: 'd'.repeat(3_000),
    });

    expect(message).toMatchObject({ severity: 'warning', id: 'user.updated', data: { seq: '7', hash: 'ff' } });
    expect(JSON.parse(message.text)).toMatchObject({ leftOut: ['before'], after: expect.stringMatching(/^a/) });
  });
});
