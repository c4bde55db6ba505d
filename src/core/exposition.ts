import { type Labels, METRICS, type Reading } from './metric.ts';

export type Format = 'openmetrics' | 'text';

/** What Prometheus calls a family: one metric with its samples. */
export interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly unit: string;
  readonly help: string;
  readonly samples: readonly { readonly labels: Labels; readonly value: number }[];
}

/** Readings by what they are of; each is told with the name of its node. */
export function familiesOf(readings: readonly Reading[], node: string): Family[] {
  return [...Map.groupBy(readings, ({ name }) => name)].map(([name, group]) => ({
    name,
    ...METRICS[name],
    samples: group.map(({ labels, value }) => ({ labels: { node, ...labels }, value })),
  }));
}

const UNITS: ReadonlySet<string> = new Set(['seconds', 'bytes', 'celsius']);

/** Families as Prometheus reads them: OpenMetrics, or the text format from before it. */
export function exposition(families: readonly Family[], format: Format): string {
  const lines: string[] = [];
  for (const { name, type, unit, help, samples } of families) {
    // OpenMetrics calls a counter by its name without _total; its samples have it in either.
    const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name;
    lines.push(`# HELP ${family} ${escaped(help)}`, `# TYPE ${family} ${type}`);
    if (format === 'openmetrics' && UNITS.has(unit) && family.endsWith(`_${unit}`))
      lines.push(`# UNIT ${family} ${unit}`);
    for (const { labels, value } of samples) lines.push(`${name}{${labelled(labels)}} ${numeral(value)}`);
  }
  if (format === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function labelled(labels: Labels): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}="${escaped(value).replaceAll('"', String.raw`\"`)}"`)
    .join(',');
}

function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('\n', String.raw`\n`);
}

function numeral(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
