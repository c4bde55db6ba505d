import { z } from 'zod';

/** What was taken from a score of 100. */
export const Deduction = z.object({
  points: z.number().describe('What mending it gives back.'),
  reason: z.string(),
  fix: z.string().optional().describe('What mends it.'),
});
export type Deduction = z.output<typeof Deduction>;

/** 100 less what each deduction takes, and never less than nothing; the largest comes first. */
export function scored(deductions: readonly Deduction[]): {
  readonly score: number;
  readonly deductions: Deduction[];
} {
  const lost = deductions.reduce((sum, { points }) => sum + points, 0);
  return { score: Math.max(0, 100 - lost), deductions: deductions.toSorted((a, b) => b.points - a.points) };
}

/** Scores of one machine, the oldest first. */
export type ScoreTrend = readonly { readonly at: Date; readonly score: number }[];
