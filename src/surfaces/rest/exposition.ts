import { type Labels, METRICS, type MetricName, type Reading } from '../../core/metric.ts';

export type Format = 'openmetrics' | 'text';

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  text: 'text/plain; version=0.0.4; charset=utf-8',
};

const UNITS: ReadonlySet<string> = new Set(['seconds', 'bytes', 'celsius']);

/** Readings as Prometheus reads them: OpenMetrics, or the text format from before it. */
export function exposition(readings: readonly Reading[], node: string, format: Format): string {
  const lines: string[] = [];
  for (const [name, group] of Map.groupBy(readings, (reading) => reading.name)) {
    const { type, unit, help } = METRICS[name];
    const family = familyOf(name, format);
    lines.push(`# HELP ${family} ${escaped(help)}`, `# TYPE ${family} ${type}`);
    if (format === 'openmetrics' && UNITS.has(unit) && family.endsWith(`_${unit}`))
      lines.push(`# UNIT ${family} ${unit}`);
    for (const { labels, value } of group) lines.push(`${name}{${labelled({ node, ...labels })}} ${numeral(value)}`);
  }
  if (format === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

/** OpenMetrics calls a counter by its name without _total; the samples have it in either. */
function familyOf(name: MetricName, format: Format): string {
  return format === 'openmetrics' && METRICS[name].type === 'counter' ? name.replace(/_total$/, '') : name;
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
