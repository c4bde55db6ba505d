import type { StatusPage, StatusPageService } from '../../core/status-page.ts';
import { documentOf, minuteOf } from './document.ts';
import { type Markup, markup } from './markup.ts';

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
article header { display: flex; justify-content: space-between; gap: 1rem; }
article strong { text-align: right; }
svg { display: block; width: 100%; height: 1.75rem; margin: .5rem 0 .25rem; }
dl { display: flex; flex-wrap: wrap; gap: 0 1.5rem; margin: 0; font-size: .875rem; color: var(--dim); }
dl div { display: flex; gap: .4rem; } dd { margin: 0; font-variant-numeric: tabular-nums; color: var(--text); }
`;
const LOOKS = { ok: 'ok', maintenance: 'warn', degraded: 'warn', down: 'bad', unknown: 'dim' } as const;

export function statusPageHtml(page: StatusPage, { nonce }: { readonly nonce?: string } = {}): string {
  const groups = Map.groupBy(page.services, ({ group }) => group ?? '');
  const sign = SIGNS[page.verdict];
  return documentOf({
    title: page.verdict === 'ok' ? page.title : `${sign} ${page.title}`,
    style: STYLE,
    renew: 60,
    nonce,
    body: markup`<header>
<h1>${page.title}</h1>
<p class="verdict ${LOOKS[page.verdict]}"><span aria-hidden="true">${sign}</span> ${page.sentence}</p>
</header>
<main>
${[...groups].map(([group, services]) => section(group, services))}
</main>
<footer>As of <time datetime="${page.at.toISOString()}">${minuteOf(page.at)}</time>. Days are in UTC. Time in which a service was worked on or stopped on purpose does not count.</footer>`,
  });
}

function section(group: string, services: readonly StatusPageService[]): Markup {
  return markup`<section>
<h2>${group === '' ? 'Services' : group}</h2>
${services.map(article)}</section>
`;
}

function article(service: StatusPageService): Markup {
  const { name, state, since, maintenance, uptime } = service;
  const look = maintenance || state === 'degraded' ? 'warn' : state === 'up' ? 'ok' : state === 'down' ? 'bad' : 'dim';
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
