import type { Figures, PerformanceReport, ServiceKind, Used, UsedBy } from '../../core/performance-report.ts';
import type { ScoreTrend } from '../../core/score.ts';
import { documentOf, minuteOf } from './document.ts';
import { type Markup, markup } from './markup.ts';
import { count, deductionTable, line, lookOf, number, REPORT_STYLE, scoreCard, table } from './report-parts.ts';

const MEASURES: Readonly<Record<PerformanceReport['machine'][number]['measure'], string>> = {
  cpu: 'Cores in use',
  load: 'Load a core',
  memory: 'Memory in use',
  space: 'Space in use',
  disk: 'Disk busy',
  network: 'Network',
};
const KINDS: readonly (readonly [ServiceKind, string])[] = [
  ['agent', 'AI agents'],
  ['model', 'Model servers'],
  ['database', 'Databases'],
  ['service', 'Services'],
];
const USERS: readonly (readonly [string, readonly UsedBy[]])[] = [
  ['Containers that took most', ['container']],
  ['Units and processes that took most', ['unit', 'process']],
];
const LENGTHS: Readonly<Record<PerformanceReport['period'], string>> = {
  daily: 'day',
  weekly: 'week',
  monthly: 'thirty days',
};

/** One performance report, with the scores before it: the oldest first, its own the last. */
export function performanceReportHtml(report: PerformanceReport, trend: ScoreTrend): string {
  const { at, node, period, from, to, step, score, deductions, machine, answers, usage, uptimes, databases, notes } =
    report;
  const taken =
    deductions.length === 0
      ? 'Nothing was short, and nothing was slow.'
      : `${count(deductions.length, 'thing')} took points away.`;
  const sentence = score === undefined ? `Not enough history yet. ${taken}` : taken;
  return documentOf({
    title: `Performance of ${node}, ${period}, ${minuteOf(at)}`,
    style: REPORT_STYLE,
    body: markup`<header>
<h1>Performance of ${node}, the ${LENGTHS[period]} until <time datetime="${to.toISOString()}">${minuteOf(to)}</time></h1>
<p class="verdict ${score === undefined ? '' : lookOf(score)}">${sentence}</p>
</header>
<main>
${scoreCard(score, trend)}
${overall(report)}
${deductionTable(deductions)}
${table('The machine', ['', 'mean', '95 of 100', 'highest', ''], machine.map(machineRow))}
${USERS.map(([title, users]) =>
  table(
    title,
    ['', 'cores', 'before', 'highest', 'memory', 'before', 'highest'],
    usage.filter(({ by }) => users.includes(by)).map(usageRow),
  ),
)}
${KINDS.map(([kind, title]) => [
  table(
    `${title}: how long answers took`,
    ['', 'mean', 'before', '95 of 100', 'highest', ''],
    answers.filter((each) => each.kind === kind).map(answerRow),
  ),
  table(
    `${title}: how much of the time they were there`,
    ['', 'uptime'],
    uptimes
      .filter((each) => each.kind === kind)
      .map(({ service, percent }) => markup`<tr><th scope="row">${service}</th>${number(`${percent} %`)}</tr>\n`),
  ),
])}
${table('Databases, when they were last looked at', ['', 'size', 'connections', 'from memory', 'longest transaction'], databases.map(databaseRow))}
</main>
<footer>${notes.map((note) => `${note} `)}From ${minuteOf(from)} to ${minuteOf(to)}, in steps of ${step}; 95 of 100 steps were at most what that column says.</footer>`,
  });
}

function overall({ agentUptimePercent, backupSuccessPercent }: PerformanceReport): Markup | undefined {
  const figures = [
    agentUptimePercent === undefined ? undefined : (['Uptime of AI agents', `${agentUptimePercent} %`] as const),
    backupSuccessPercent === undefined ? undefined : (['Copies that succeeded', `${backupSuccessPercent} %`] as const),
  ].filter((each) => each !== undefined);
  if (figures.length === 0) return undefined;
  return markup`<article><dl class="figures">${figures.map(([said, value]) => markup`<div><dt>${said}</dt><dd>${value}</dd></div>`)}</dl></article>`;
}

function machineRow({ measure, subject, ...figures }: PerformanceReport['machine'][number]): Markup {
  const name = `${MEASURES[measure]}${subject === 'machine' ? '' : `, ${subject}`}`;
  const said = (value: number): string => {
    if (measure === 'load') return String(value);
    return measure === 'network' ? `${size(value)}/s` : `${Math.round(value * 1_000) / 10} %`;
  };
  const most = measure === 'load' || measure === 'network' ? figures.highest : 1;
  return markup`<tr><th scope="row">${name}</th>${number(said(figures.mean))}${number(said(figures.p95))}${number(said(figures.highest))}${drawn(name, figures, most)}</tr>\n`;
}

function answerRow({ name, beforeMean, ...figures }: PerformanceReport['answers'][number]): Markup {
  return markup`<tr><th scope="row">${name}</th>${number(time(figures.mean))}${number(beforeMean === undefined ? '' : time(beforeMean))}${number(time(figures.p95))}${number(time(figures.highest))}${drawn(name, figures, figures.highest)}</tr>\n`;
}

function usageRow({ name, cores, memoryBytes }: PerformanceReport['usage'][number]): Markup {
  const cells = (used: Used | undefined, said: (value: number) => string): Markup[] =>
    [used?.mean, used?.beforeMean, used?.highest].map((value) => number(value === undefined ? '' : said(value)));
  return markup`<tr><th scope="row">${name}</th>${cells(cores, String)}${cells(memoryBytes, size)}</tr>\n`;
}

function databaseRow(database: PerformanceReport['databases'][number]): Markup {
  const { source, kind, bytes, connectionsPercent, cacheHitPercent, longestTransactionSeconds, slowest } = database;
  const percent = (value: number | undefined): Markup => number(value === undefined ? '' : `${value} %`);
  return markup`<tr><th scope="row">${source} (${kind})${
    slowest &&
    markup`<span class="fix">slowest: ${Math.round(slowest.meanMs)} ms, ${slowest.calls} times: ${slowest.statement}</span>`
  }</th>${number(size(bytes))}${percent(connectionsPercent)}${percent(cacheHitPercent)}${number(longestTransactionSeconds === undefined ? '' : `${longestTransactionSeconds} s`)}</tr>\n`;
}

function drawn(name: string, { points }: Figures, most: number): Markup {
  return markup`<td class="line">${line(points, `${name}: ${points.length} steps`, most)}</td>`;
}

function time(seconds: number): string {
  return seconds >= 1 ? `${Math.round(seconds * 100) / 100} s` : `${Math.round(seconds * 10_000) / 10} ms`;
}

function size(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const unit = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${Math.round((bytes / 1024 ** unit) * 10) / 10} ${units[unit]}`;
}
