import type { Deduction, ScoreTrend } from '../../core/score.ts';
import { minuteOf } from './document.ts';
import { type Markup, markup } from './markup.ts';

const GOOD = 90;
const FAIR = 70;

/** What all reports look like. */
export const REPORT_STYLE = `
.score { display: flex; gap: 1.5rem; align-items: center; flex-wrap: wrap; }
.score b { font-size: 3rem; line-height: 1; font-variant-numeric: tabular-nums; }
.score svg { flex: 1 1 16rem; height: 5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
tr:last-child > * { border-bottom: 0; } th { font-weight: 400; } thead th { color: var(--dim); font-size: .875rem; } thead th + th { text-align: right; }
td.points { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; } td.state { white-space: nowrap; }
.fix { display: block; color: var(--dim); font-size: .875rem; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; } td.line { width: 12rem; } td.line svg { width: 12rem; height: 2rem; display: block; }
.figures { display: flex; flex-wrap: wrap; gap: .25rem 2rem; margin: 0; } .figures dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; } .figures dt { color: var(--dim); font-size: .875rem; }
`;

/** The score, and the line of those before it. */
export function scoreCard(score: number | undefined, trend: ScoreTrend): Markup {
  if (score === undefined) return markup`<article class="score"><div>No score yet</div>${scoreLine(trend)}</article>`;
  return markup`<article class="score"><div><b class="${lookOf(score)}">${score}</b> of 100</div>${scoreLine(trend)}</article>`;
}

export function deductionTable(deductions: readonly Deduction[]): Markup | undefined {
  if (deductions.length === 0) return undefined;
  return markup`<h2>What took points away</h2>
<article><table><thead><tr><th scope="col">Why</th><th scope="col">Points</th></tr></thead><tbody>
${deductions.map(
  ({ points, reason, fix }) =>
    markup`<tr><th scope="row">${reason}${fix === undefined ? undefined : markup`<span class="fix">${fix}</span>`}</th><td class="points">−${points}</td></tr>\n`,
)}</tbody></table></article>`;
}

export function table(title: string, columns: readonly string[], rows: readonly Markup[]): Markup | undefined {
  if (rows.length === 0) return undefined;
  return markup`<h2>${title}</h2>
<article><table><thead><tr>${columns.map((each) => markup`<th scope="col">${each}</th>`)}</tr></thead><tbody>
${rows}</tbody></table></article>
`;
}

export function number(text: string): Markup {
  return markup`<td class="number">${text}</td>`;
}

const [WIDTH, HEIGHT] = [320, 80];

/** The scores as a line; one alone says nothing about a direction. */
export function scoreLine(trend: ScoreTrend): Markup | undefined {
  const [first, last] = [trend[0], trend.at(-1)];
  if (!first || !last || trend.length < 2) return undefined;
  return line(
    trend.map(({ at, score }) => ({ at, value: score })),
    `The scores of ${trend.length} reports, from ${first.score} (${minuteOf(first.at)}) to ${last.score}`,
    100,
  );
}

/** Values over time between nothing and `most`, with what they say in words. */
export function line(
  points: readonly { readonly at: Date; readonly value: number }[],
  said: string,
  most: number,
): Markup | undefined {
  const [first, last] = [points[0], points.at(-1)];
  if (!first || !last || points.length < 2) return undefined;
  const length = Math.max(1, last.at.getTime() - first.at.getTime());
  const top = most > 0 ? most : 1;
  const places = points.map(({ at, value }) => {
    const x = (WIDTH * (at.getTime() - first.at.getTime())) / length;
    return `${x.toFixed(1)},${(HEIGHT - (HEIGHT * Math.min(value, top)) / top).toFixed(1)}`;
  });
  return markup`<svg viewBox="-4 -4 ${WIDTH + 8} ${HEIGHT + 8}" preserveAspectRatio="none" role="img" aria-label="${said}"><title>${said}</title>
<path d="M0 0H${WIDTH}M0 ${HEIGHT}H${WIDTH}" stroke="var(--line)"/>
<polyline points="${places.join(' ')}" fill="none" stroke="var(--dim)" stroke-width="2" stroke-linejoin="round"/></svg>`;
}

export function lookOf(score: number): string {
  return score >= GOOD ? 'ok' : score >= FAIR ? 'warn' : 'bad';
}

export function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
