import { z } from 'zod';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/gy;

/** `90s`, `1h30m`, `250ms`: how people write a length of time. */
export type DurationText = string;

/** Milliseconds of a duration text, or `undefined` where it is none. */
export function parseDuration(text: DurationText): number | undefined {
  PART.lastIndex = 0;
  let total = 0;
  let end = 0;
  for (let match = PART.exec(text); match; match = PART.exec(text)) {
    total += Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
    end = PART.lastIndex;
  }
  return end === text.length && end > 0 ? total : undefined;
}

/** Milliseconds of a duration that the program itself wrote; a bug where it is none. */
export function ms(text: DurationText): number {
  const parsed = parseDuration(text);
  if (parsed === undefined) throw new Error(`'${text}' is not a duration`);
  return parsed;
}

/** The two largest units of a length of time: `3m20s`, `2h`, `450ms`. */
export function formatDuration(milliseconds: number): DurationText {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)}ms`;
  let rest = Math.round(milliseconds / 1_000) * 1_000;
  const parts: string[] = [];
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    if (count > 0) parts.push(`${count}${unit}`);
    rest -= count * UNIT_MS[unit];
    if (parts.length === 2) break;
  }
  return parts.join('');
}

export const Duration = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, 'expected a duration such as 30s, 5m or 1h30m')
  .describe('A length of time: 250ms, 30s, 5m, 1h30m, 7d.');
