import type { WeeklySummary } from '../../core/weekly-summary.ts';
import { documentOf, minuteOf } from './document.ts';
import { type Markup, markup } from './markup.ts';
import { count, number, REPORT_STYLE, scoreLine, table } from './report-parts.ts';

type Counted = WeeklySummary['copies']['proven'][number];

/** What happened in one week. */
export function weeklySummaryHtml(summary: WeeklySummary): string {
  const { at, from, to, incidents, heals, copies, runs, alerts, interventions, uptimes, scores } = summary;
  const open = incidents.openNow.length;
  return documentOf({
    title: `The week until ${minuteOf(to)}`,
    style: REPORT_STYLE,
    body: markup`<header>
<h1>The week until <time datetime="${at.toISOString()}">${minuteOf(to)}</time></h1>
<p class="verdict ${open > 0 ? 'warn' : 'ok'}">${open > 0 ? `${count(open, 'problem')} open` : 'Nothing is open'}</p>
</header>
<main>
<article><dl class="figures">
${[
  ['Incidents', `${incidents.opened} began, ${incidents.resolved} ended, ${incidents.escalated} needed a person`],
  ['Heals', `${heals.succeeded} helped, ${heals.failed} did not`],
  [
    'Copies',
    `${copies.made} made, ${copies.failed} failed, ${total(copies.proven)} proven, ${total(copies.unsound)} unsound`,
  ],
  ['Runs', `${runs.succeeded} succeeded, ${runs.failed} failed`],
  ['Alerts', `${total(alerts.delivered)} delivered, ${total(alerts.failed)} not`],
].map(([said, value]) => markup`<div><dt>${said}</dt><dd>${value}</dd></div>\n`)}</dl></article>
${table(
  'Open now',
  ['Problem'],
  incidents.openNow.map((title) => markup`<tr><th scope="row">${title}</th></tr>\n`),
)}
${table(
  'Scores of the daily reports',
  ['', 'lowest', 'last', ''],
  scores.map(
    ({ report, node, lowest, last, points }) =>
      markup`<tr><th scope="row">${report}, ${node}</th>${number(String(lowest))}${number(String(last))}<td class="line">${scoreLine(points)}</td></tr>\n`,
  ),
)}
${counted('Copies that were restored and compared', copies.proven)}
${counted('Copies that are not sound', copies.unsound)}
${counted('Migrations, restores, restarts', interventions)}
${table(
  'Runs',
  ['', 'succeeded', 'failed'],
  runs.byAutomation.map(
    ({ automation, succeeded, failed }) =>
      markup`<tr><th scope="row">${automation}</th>${number(String(succeeded))}${number(String(failed))}</tr>\n`,
  ),
)}
${counted('Alerts that were delivered', alerts.delivered)}
${counted('Alerts that were not delivered', alerts.failed)}
${table(
  'How much of the time services were there',
  ['', 'uptime'],
  uptimes.map(({ service, percent }) => markup`<tr><th scope="row">${service}</th>${number(`${percent} %`)}</tr>\n`),
)}
</main>
<footer>From ${minuteOf(from)} to ${minuteOf(to)}, on all machines. Dry runs are left out.</footer>`,
  });
}

function counted(title: string, rows: readonly Counted[]): Markup | undefined {
  return table(
    title,
    ['', 'times'],
    rows.map((row) => markup`<tr><th scope="row">${row.of}</th>${number(String(row.count))}</tr>\n`),
  );
}

function total(rows: readonly Counted[]): number {
  return rows.reduce((sum, row) => sum + row.count, 0);
}
