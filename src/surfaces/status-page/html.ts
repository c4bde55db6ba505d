import type { StatusPage, StatusPageService } from '../../core/status-page.ts';
import { Markup, markup } from './markup.ts';

const WORDS: Readonly<Record<StatusPageService['state'], string>> = {
  up: 'works',
  degraded: 'slow or restricted',
  down: 'not available',
  stopped: 'stopped',
  unknown: 'not known',
  pending: 'not known yet',
};
const SIGNS: Readonly<Record<StatusPage['verdict'], string>> = {
  ok: '✓',
  maintenance: '◐',
  degraded: '!',
  down: '✕',
  unknown: '?',
};
const TIMES = [
  ['day', '24 h'],
  ['week', '7 days'],
  ['month', '30 days'],
  ['quarter', '90 days'],
] as const;

const STYLE = `
:root { color-scheme: light dark; --text: #1c1e21; --dim: #5a6069; --back: #f6f7f9; --card: #fff; --line: #dfe2e6;
  --ok: #18794e; --warn: #9a5b00; --bad: #c62a2f; --none: #c1c8cd; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --dim: #9ba1a6; --back: #151718; --card: #1c1f21; --line: #313538;
  --ok: #4cc38a; --warn: #f1a10d; --bad: #ff6369; --none: #4c5155; } }
body { margin: 0 auto; max-width: 52rem; padding: 2rem 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); }
h1 { font-size: 1rem; font-weight: 600; margin: 0 0 1rem; color: var(--dim); }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
.verdict { display: flex; gap: .75rem; align-items: baseline; font-size: 1.35rem; font-weight: 600; margin: 0; }
.ok { color: var(--ok); } .degraded, .maintenance { color: var(--warn); } .down { color: var(--bad); } .unknown { color: var(--dim); }
article { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem; margin: .5rem 0; }
article header { display: flex; justify-content: space-between; gap: 1rem; }
svg { display: block; width: 100%; height: 1.75rem; margin: .5rem 0 .25rem; }
dl { display: flex; flex-wrap: wrap; gap: 0 1.5rem; margin: 0; font-size: .875rem; color: var(--dim); }
dl div { display: flex; gap: .4rem; } dd { margin: 0; font-variant-numeric: tabular-nums; color: var(--text); }
footer { margin-top: 2rem; font-size: .875rem; color: var(--dim); }
@media print { body { background: none; } article { break-inside: avoid; } }
`;

/** A document that needs nothing besides itself: no script, no font, no other address. `nonce` lets its style in where a policy asks for one. */
export function statusPageHtml(page: StatusPage, { nonce }: { readonly nonce?: string } = {}): string {
  const groups = Map.groupBy(page.services, ({ group }) => group ?? '');
  const { text } = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex">
<meta http-equiv="refresh" content="60">
<title>${page.verdict === 'ok' ? '' : `${SIGNS[page.verdict]} `}${page.title}</title>
<style${nonce === undefined ? undefined : markup` nonce="${nonce}"`}>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>${page.title}</h1>
<p class="verdict ${page.verdict}"><span aria-hidden="true">${SIGNS[page.verdict]}</span> ${page.sentence}</p>
</header>
<main>
${[...groups].map(([group, services]) => section(group, services))}
</main>
<footer>As of <time datetime="${page.at.toISOString()}">${minuteOf(page.at)}</time>. Days are in UTC. Time in which a service was worked on or stopped on purpose does not count.</footer>
</body>
</html>
`;
  return text;
}

function section(group: string, services: readonly StatusPageService[]): Markup {
  return markup`<section>
<h2>${group === '' ? 'Services' : group}</h2>
${services.map(article)}</section>
`;
}

function article(service: StatusPageService): Markup {
  const { name, state, since, maintenance, uptime } = service;
  const look = maintenance
    ? 'maintenance'
    : state === 'up'
      ? 'ok'
      : state === 'down' || state === 'degraded'
        ? state
        : 'unknown';
  const figures = TIMES.flatMap(([member, said]) => {
    const percent = uptime[member];
    return percent === undefined ? [] : [markup`<div><dt>${said}</dt><dd>${shown(percent)}</dd></div>`];
  });
  return markup`<article>
<header><h3>${name}</h3><strong class="${look}" title="since ${minuteOf(since)}">${maintenance ? 'being worked on' : WORDS[state]}</strong></header>
${bars(service)}
<dl>${figures}</dl>
</article>
`;
}

const WIDTH = 8;
const GAP = 2;

/** A bar for each day; what they say in words is in the title of each, and in the figures below. */
function bars({ name, days }: StatusPageService): Markup {
  const width = days.length * (WIDTH + GAP) - GAP;
  return markup`<svg viewBox="0 0 ${Math.max(1, width)} 28" preserveAspectRatio="none" role="img" aria-label="${name}: ${days.length} days, ${days.filter(({ downSeconds }) => downSeconds > 0).length} of them with an outage">${days.map(
    ({ day, percent, downSeconds }, index) =>
      markup`<rect x="${index * (WIDTH + GAP)}" width="${WIDTH}" height="28" fill="var(--${colorOf(percent)})"><title>${day}: ${
        percent === undefined
          ? 'not known'
          : `${shown(percent)}${downSeconds > 0 ? `, ${lengthOf(downSeconds)} not available` : ''}`
      }</title></rect>`,
  )}</svg>`;
}

function colorOf(percent: number | undefined): string {
  if (percent === undefined) return 'none';
  if (percent === 100) return 'ok';
  return percent >= 99 ? 'warn' : 'bad';
}

/** Cut and not rounded, so that what was missed is never made to look whole. */
export function shown(percent: number): string {
  return `${percent === 100 ? '100' : (Math.floor(percent * 100) / 100).toFixed(2)} %`;
}

function lengthOf(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function minuteOf(at: Date): string {
  return `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
