import type { HealthFindings, HealthItem, HealthTrend } from '../../core/health-report.ts';
import { documentOf, minuteOf } from './document.ts';
import { type Markup, markup } from './markup.ts';

const STATES: Readonly<Record<HealthItem['state'], readonly [word: string, look: string]>> = {
  failed: ['failed', 'bad'],
  warning: ['warning', 'warn'],
  ok: ['as it should be', 'ok'],
  skipped: ['not looked at', 'dim'],
};
/** What needs somebody comes first. */
const ORDER = Object.keys(STATES) as HealthItem['state'][];
const GROUPS: Readonly<Record<HealthItem['group'], string>> = {
  docker: 'Docker',
  core: 'Core services',
  api: 'API endpoints',
  database: 'Databases',
  agents: 'AI agents',
  models: 'Models',
  services: 'Services',
  resources: 'Processor, memory, disks',
  logs: 'Log files',
  certificates: 'Certificates',
};
const GOOD = 90;
const FAIR = 70;

const STYLE = `
.score { display: flex; gap: 1.5rem; align-items: center; flex-wrap: wrap; }
.score b { font-size: 3rem; line-height: 1; font-variant-numeric: tabular-nums; }
.score svg { flex: 1 1 16rem; height: 5rem; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
tr:last-child > * { border-bottom: 0; } th { font-weight: 400; } thead th { color: var(--dim); font-size: .875rem; }
td.points { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; } td.state { white-space: nowrap; }
`;

/** One health report, with the scores before it: the oldest first, its own the last. */
export function healthReportHtml(findings: HealthFindings, trend: HealthTrend): string {
  const { at, node, score, failed, warnings, critical, deductions, items } = findings;
  const sentence = critical
    ? `Critical: ${count(failed, 'check')} failed.`
    : failed + warnings === 0
      ? 'Everything is as it should be.'
      : [failed > 0 && `${count(failed, 'check')} failed`, warnings > 0 && count(warnings, 'warning')]
          .filter(Boolean)
          .join(', ')
          .concat('.');
  const groups = Map.groupBy(items, ({ group }) => group);
  return documentOf({
    title: `Health of ${node}, ${minuteOf(at)}`,
    style: STYLE,
    body: markup`<header>
<h1>Health of ${node}, <time datetime="${at.toISOString()}">${minuteOf(at)}</time></h1>
<p class="verdict ${critical || failed > 0 ? 'bad' : warnings > 0 ? 'warn' : 'ok'}">${sentence}</p>
</header>
<main>
<article class="score"><div><b class="${lookOf(score)}">${score}</b> of 100</div>${chart(trend)}</article>
${
  deductions.length === 0
    ? undefined
    : markup`<h2>What took points away</h2>
<article><table><thead><tr><th scope="col">Why</th><th scope="col">Points</th></tr></thead><tbody>
${deductions.map(({ points, reason }) => markup`<tr><th scope="row">${reason}</th><td class="points">−${points}</td></tr>\n`)}</tbody></table></article>`
}
${[...groups].map(([group, members]) => section(group, members))}
</main>
<footer>${count(items.length, 'check')}: ${ORDER.map((state) => `${items.filter((item) => item.state === state).length} ${STATES[state][0]}`).join(', ')}. A report with ${findings.thresholds.criticalFailures} failed checks is critical.</footer>`,
  });
}

function section(group: HealthItem['group'], items: readonly HealthItem[]): Markup {
  const sorted = items.toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state));
  return markup`<h2>${GROUPS[group]}</h2>
<article><table><tbody>
${sorted.map(({ name, state, message, critical }) => {
  const [word, look] = STATES[state];
  return markup`<tr><th scope="row">${name}${critical ? ' (critical)' : undefined}</th><td class="state ${look}">${word}</td><td>${message}</td></tr>\n`;
})}</tbody></table></article>
`;
}

const [WIDTH, HEIGHT] = [320, 80];

/** The scores as a line; one alone says nothing about a direction. */
function chart(trend: HealthTrend): Markup | undefined {
  const [first, last] = [trend[0], trend.at(-1)];
  if (!first || !last || trend.length < 2) return undefined;
  const length = Math.max(1, last.at.getTime() - first.at.getTime());
  const points = trend.map(({ at, score }) => {
    const x = (WIDTH * (at.getTime() - first.at.getTime())) / length;
    return `${x.toFixed(1)},${(HEIGHT - (HEIGHT * score) / 100).toFixed(1)}`;
  });
  const said = `The scores of ${trend.length} reports, from ${first.score} (${minuteOf(first.at)}) to ${last.score}`;
  return markup`<svg viewBox="-4 -4 ${WIDTH + 8} ${HEIGHT + 8}" role="img" aria-label="${said}"><title>${said}</title>
<path d="M0 0H${WIDTH}M0 ${HEIGHT}H${WIDTH}" stroke="var(--line)"/>
<polyline points="${points.join(' ')}" fill="none" stroke="var(--dim)" stroke-width="2" stroke-linejoin="round"/></svg>`;
}

function lookOf(score: number): string {
  return score >= GOOD ? 'ok' : score >= FAIR ? 'warn' : 'bad';
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
