import type { Line, LogLevel } from '../../core/lines.ts';
import { redactText } from '../../core/redact.ts';
import type { RawLine } from '../../core/service-logs.ts';

const ESCAPES =
  // oxlint-disable-next-line eslint/no-control-regex -- these are what must not get through
  /\u{1b}(?:\[[0-?]*[ -/]*[@-~]|\][^\u{7}\u{1b}]*(?:\u{7}|\u{1b}\\)?|[@-Z\\-_])|\u{9b}[0-?]*[ -/]*[@-~]/gu;
const OBEYED =
  // oxlint-disable-next-line eslint/no-control-regex -- these are what must not get through
  /[\u{0}-\u{8}\u{b}-\u{1f}\u{7f}-\u{9f}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}-\u{202e}\u{2066}-\u{2069}]/gu;

const LEVELS: readonly (readonly [LogLevel, RegExp])[] = [
  ['error', /\b(?:fatal|critical|crit|panic|emerg|alert|error|err|severe|exception|traceback|failed|failure)\b/i],
  ['warning', /\bwarn(?:ing)?\b/i],
  ['debug', /\b(?:debug|trace)\b/i],
];
/** Where a level stands, if there is one: a word far behind is part of what is told. */
const LOOKED_AT = 200;
const NUMBERS: Readonly<Record<string, LogLevel>> = {
  10: 'debug',
  20: 'debug',
  30: 'info',
  40: 'warning',
  50: 'error',
  60: 'error',
};

/**
 * Lines as they may be shown and searched. One that does not say when it was written was written when the one before it was, as
 * the lines of a stack are; where none says, it counts as written just now.
 */
export function cleaned(raw: readonly RawLine[], component: string, seen: Date): Line[] {
  let last: Date | undefined;
  return raw.map((line) => {
    const text = redactText(harmless(line.text));
    last = line.at ?? instantOf(text) ?? last;
    return { at: last ?? seen, component, level: line.level ?? levelOf(text), text, source: line.source };
  });
}

/** Nothing that a terminal would obey, and nothing that reorders what is read; what stood there leaves a mark. */
export function harmless(text: string): string {
  return text
    .replaceAll('\t', '  ')
    .replaceAll(ESCAPES, '')
    .replaceAll(/\r$/g, '')
    .replaceAll(OBEYED, '\u{fffd}')
    .trimEnd();
}

function levelOf(text: string): LogLevel {
  const said = /"level"\s*:\s*(?:"(\w+)"|(\d\d))/.exec(text.slice(0, LOOKED_AT));
  if (said?.[2] !== undefined) return NUMBERS[said[2]] ?? 'info';
  const words = said?.[1] ?? text.slice(0, LOOKED_AT);
  return LEVELS.find(([, pattern]) => pattern.test(words))?.[0] ?? 'info';
}

const INSTANT =
  /^\W{0,2}(?:"?(?:time|ts|timestamp)"?\s*[:=]\s*"?)?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)/;

function instantOf(text: string): Date | undefined {
  const found = INSTANT.exec(text)?.[1];
  if (found === undefined) return undefined;
  const at = new Date(found.replace(' ', 'T').replace(',', '.'));
  return Number.isNaN(at.getTime()) ? undefined : at;
}
