import { sizeOf, tookOf } from '../length.ts';

export interface Point {
  readonly at: string;
  readonly avg: number;
  readonly min: number;
  readonly max: number;
}

/** As a person reads a value of that unit; of a counter it is the growth a second. */
export function valueOf(value: number, unit: string, type: 'gauge' | 'counter' = 'gauge'): string {
  if (unit === 'bytes') return `${sizeOf(value)}${type === 'counter' ? '/s' : ''}`;
  // Seconds of work within a second are a share of it.
  if (unit === 'seconds')
    return type === 'counter' ? `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %` : tookOf(value * 1_000);
  if (unit === 'celsius') return `${value.toFixed(0)} °C`;
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

export interface Scale {
  readonly x: (at: string) => number;
  readonly y: (value: number) => number;
  readonly top: number;
}

/** From nothing to a bit above the most there is, over all of the time that was asked for. */
export function scaleOf(
  lines: readonly (readonly Point[])[],
  {
    from,
    to,
    width,
    height,
  }: { readonly from: string; readonly to: string; readonly width: number; readonly height: number },
): Scale {
  const most = Math.max(0, ...lines.flatMap((points) => points.map(({ max }) => max)));
  const top = most === 0 ? 1 : most * 1.05;
  const begin = Date.parse(from);
  const length = Math.max(1, Date.parse(to) - begin);
  return {
    top,
    x: (at) => (width * (Date.parse(at) - begin)) / length,
    y: (value) => height - (height * Math.max(0, value)) / top,
  };
}

/** Where the next point is missing the line is broken: nothing was measured there. */
export function pathOf(points: readonly Point[], stepMs: number, { x, y }: Scale): string {
  let before: number | undefined;
  return points
    .map(({ at, avg }) => {
      const time = Date.parse(at);
      const goesOn = before !== undefined && time - before <= stepMs * 2.5;
      before = time;
      const place = `${x(at).toFixed(1)} ${y(avg).toFixed(1)}`;
      // What stands alone is a dot: a line of no length with round ends.
      return goesOn ? `L${place}` : `M${place}h0`;
    })
    .join('');
}

/** What tells these series apart, in as few words as that takes. */
export function namesOf(series: readonly { readonly labels: Readonly<Record<string, string>> }[]): string[] {
  const keys = [...new Set(series.flatMap(({ labels }) => Object.keys(labels)))];
  const telling = keys.filter((key) => new Set(series.map(({ labels }) => labels[key])).size > 1);
  // An id is for when nothing else differs.
  const said = telling.some((key) => key !== 'id') ? telling.filter((key) => key !== 'id') : telling;
  return series.map(({ labels }) => said.flatMap((key) => labels[key] ?? []).join(' '));
}

/** How far apart two points are as a rule. */
export function stepOf(lines: readonly (readonly { readonly at: string }[])[]): number {
  const gaps = lines.flatMap((points) =>
    points.slice(1).map(({ at }, index) => Date.parse(at) - Date.parse(points[index]?.at ?? at)),
  );
  return gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 60_000;
}
