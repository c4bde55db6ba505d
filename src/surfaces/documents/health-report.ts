import type { HealthFindings, HealthItem } from '../../core/health-report.ts';
import type { ScoreTrend } from '../../core/score.ts';
import { documentOf, minuteOf } from './document.ts';
import { type Markup, markup } from './markup.ts';
import { count, deductionTable, REPORT_STYLE, scoreCard } from './report-parts.ts';

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
/** One health report, with the scores before it: the oldest first, its own the last. */
export function healthReportHtml(findings: HealthFindings, trend: ScoreTrend): string {
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
    style: REPORT_STYLE,
    body: markup`<header>
<h1>Health of ${node}, <time datetime="${at.toISOString()}">${minuteOf(at)}</time></h1>
<p class="verdict ${critical || failed > 0 ? 'bad' : warnings > 0 ? 'warn' : 'ok'}">${sentence}</p>
</header>
<main>
${scoreCard(score, trend)}
${deductionTable(deductions)}
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
