import { describe, expect, it } from 'vitest';
import type { Line } from '../../core/lines.ts';
import { cleaned, harmless } from './clean.ts';
import { failuresIn, fitting } from './search.ts';

const SEEN = new Date('2026-05-01T12:00:00Z');
const one = (text: string): Line => cleaned([{ text, source: '/var/log/app.log' }], 'app', SEEN)[0] as Line;

describe('a line of a log', () => {
  it.each([
    ['colors', '\u{1b}[31mred\u{1b}[0m', 'red'],
    ['a title for the window', '\u{1b}]0;owned\u{7}text', 'text'],
    ['a title that never ends', 'a\u{1b}]0;owned', 'a'],
    ['clearing the screen in one byte', '\u{9b}2Jtext', 'text'],
    ['going back to the beginning of the line', 'ok\rfailed', 'ok\u{fffd}failed'],
    ['backspaces', 'a\u{8}b', 'a\u{fffd}b'],
    ['turning the direction of reading', 'a\u{202e}b', 'a\u{fffd}b'],
    ['a line within the line', 'a\u{2028}b', 'a\u{fffd}b'],
    ['tabs, which only lay it out', '\tat main.js', '  at main.js'],
  ])('loses %s', (_what, text, harmlessText) => expect(harmless(text)).toBe(harmlessText));

  it('loses secrets', () => expect(one('login with password=hunter22 failed').text).not.toContain('hunter22'));

  it.each([
    ['2026-04-30T10:00:00Z ERROR no route', 'error'],
    ['{"level":50,"msg":"x"}', 'error'],
    ['{"level":"warn","msg":"an error was avoided"}', 'warning'],
    ['WARNING: disk is slow', 'warning'],
    ['[debug] tick', 'debug'],
    ['GET /errors 200', 'info'],
    ['Traceback (most recent call last):', 'error'],
  ])('%s is %s', (text, level) => expect(one(text).level).toBe(level));

  it('is of the instant that it begins with, or of the line before it, or of now', () => {
    const lines = ['no instant', '2026-04-30 10:00:00,123 begins', '  at main.js', '[2026-04-30T11:00:00+02:00] next'];
    const at = cleaned(
      lines.map((text) => ({ text, source: 'x' })),
      'app',
      SEEN,
    ).map((line) => line.at.toISOString());

    const local = new Date('2026-04-30T10:00:00.123').toISOString();
    expect(at).toEqual([SEEN.toISOString(), local, local, '2026-04-30T09:00:00.000Z']);
  });
});

describe('searching', () => {
  it('looks for the text in any case, and for no less severe lines', () => {
    const fits = fitting({ text: 'DISK', level: 'warning' });
    expect(['warn: disk slow', 'error: disk gone', 'disk fine', 'error: net'].map((text) => fits(one(text)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it('tells one failure with other numbers once, the newest first', () => {
    const at = (minute: number, text: string): Line => ({
      ...one(text),
      at: new Date(SEEN.getTime() + minute * 60_000),
    });
    const failures = failuresIn([
      at(1, 'error: request 17 took 900 ms'),
      at(2, 'error: no such table'),
      at(3, 'error: request 18 took 1200 ms'),
    ]);

    expect(failures.map(({ text, count }) => [text, count])).toEqual([
      ['error: request 18 took 1200 ms', 2],
      ['error: no such table', 1],
    ]);
  });
});
