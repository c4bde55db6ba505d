import type { StatusPageService } from '../../core/status-page.ts';
import { shown } from './status-page.ts';
import { markup } from './markup.ts';

const LOOKS: Readonly<Record<StatusPageService['state'], readonly [word: string, color: string]>> = {
  up: ['up', '#18794e'],
  degraded: ['degraded', '#9a5b00'],
  down: ['down', '#c62a2f'],
  stopped: ['stopped', '#5a6069'],
  unknown: ['unknown', '#5a6069'],
  pending: ['unknown', '#5a6069'],
};
const HEIGHT = 20;
const PADDING = 6;
/** Of Verdana at 11 pixels, about, and wide letters rather too wide. */
const LETTER = 6.8;
const LONGEST_NAME = 60;

/** A picture for a README or a wiki: the name, the state, and the percent of the last 30 days. */
export function badge({ name, state, maintenance, uptime }: StatusPageService): string {
  const [word, color] = maintenance ? ['maintenance', '#9a5b00'] : LOOKS[state];
  const left = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
  const right = uptime.month === undefined ? word : `${word} · ${shown(uptime.month)}`;
  const [leftWidth, rightWidth] = [left, right].map((text) => Math.ceil(text.length * LETTER + 2 * PADDING)) as [
    number,
    number,
  ];
  const width = leftWidth + rightWidth;
  const { text } =
    markup`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" role="img" aria-label="${left}: ${right}">
<title>${left}: ${right}</title>
<clipPath id="round"><rect width="${width}" height="${HEIGHT}" rx="3"/></clipPath>
<g clip-path="url(#round)"><rect width="${leftWidth}" height="${HEIGHT}" fill="#3c4248"/><rect x="${leftWidth}" width="${rightWidth}" height="${HEIGHT}" fill="${color}"/></g>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle"><text x="${leftWidth / 2}" y="14">${left}</text><text x="${leftWidth + rightWidth / 2}" y="14">${right}</text></g>
</svg>
`;
  return text;
}
