import { z } from 'zod';
import { Duration, formatDuration, ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { type Labels, METRIC_NAMES, METRICS } from '../../core/metric.ts';
import { naming } from '../../core/naming.ts';
import { type AnyOperation, defineQuery, PageInput, pageOf } from '../../core/operation.ts';
import type { MetricsDeps } from './deps.ts';
import { type FoundSeries, findSeries, type SeriesFilter } from './find-series.ts';
import { forecast } from './forecast.ts';
import { fittingStep, type Point, readRange, resolve } from './range.ts';
import type { MetricTables } from './tables.ts';
import type { TickReader } from './ticks.ts';

const MOST_SERIES = 1_000;
const MOST_POINTS = 100_000;
const HOUR_MS = 3_600_000;
const FORECAST_FROM_MS = 7 * 24 * HOUR_MS;

const filter = {
  service: naming(
    'service',
    z.string().min(1).max(300).describe('Only what is about this service: id, name or identity.'),
  ).optional(),
  node: z.string().min(1).max(100).optional().describe('Only of this node: its name or id.'),
  labels: z
    .array(
      z
        .string()
        .max(500)
        .regex(/^[A-Za-z_]\w*=/, 'expected label=value'),
    )
    .max(20)
    .optional()
    .describe('Only series with these labels, each as label=value: mount=/.'),
};
const instant = z.iso.datetime({ offset: true, error: 'expected a time such as 2026-03-01T22:00:00Z' });

const SeriesView = z.object({
  id: z.number().int(),
  name: z.enum(METRIC_NAMES),
  labels: z.record(z.string(), z.string()),
  node: z.string(),
  resourceId: z.string().optional(),
});
const about = {
  type: z.enum(['gauge', 'counter']).describe('Of a counter, its growth a second is kept.'),
  unit: z.string(),
  help: z.string(),
};

const Range = z.object({
  name: z.string(),
  ...about,
  from: z.coerce.date(),
  to: z.coerce.date(),
  step: z.string().describe('How far apart the points are.'),
  resolution: z.enum(['raw', '5m', '1h', '1d']).describe('How fine the values are that the points were made of.'),
  series: z.array(
    z
      .object({ of: z.string().describe('Its labels in one text.') })
      .extend(SeriesView.omit({ name: true }).shape)
      .extend({
        last: z.number().optional().describe('The newest value.'),
        avg: z.number().optional().describe('Over all of it.'),
        min: z.number().optional(),
        max: z.number().optional(),
        points: z.array(
          z.object({
            at: z.coerce.date().describe('When the step begins.'),
            count: z.number().int(),
            avg: z.number(),
            min: z.number(),
            max: z.number(),
            last: z.number(),
          }),
        ),
      }),
  ),
});

const DiskForecast = z.object({
  node: z.string(),
  mount: z.string(),
  device: z.string(),
  freeBytes: z.number().optional(),
  state: z.enum(['not-enough-history', 'steady', 'filling']),
  bytesPerDay: z.number().optional().describe('By which what is free changes; less than 0 while it fills.'),
  fullAt: z.coerce.date().optional(),
  earliest: z.coerce.date().optional().describe('If it goes on as in its fastest quarter.'),
  latest: z.coerce.date().optional().describe('If it goes on as in its slowest quarter.'),
  message: z.string(),
});

/** The queries of what was measured. */
export function metricOperations({
  store,
  inventory,
  settings,
  nodeId,
  nodeName,
  ticks,
  now,
}: OperationDeps): AnyOperation[] {
  const db = store.db.withTables<MetricTables>();
  const found = async (asked: SeriesFilter, page: { limit: number; after?: number | undefined }) =>
    await findSeries(
      db,
      { ...asked, node: asked.node === undefined ? undefined : await nodeId(asked.node) },
      { inventory, ...page },
    );
  const viewOf = async ({ id, name, labels, node, resourceId }: FoundSeries) => ({
    id,
    name,
    labels,
    node: await nodeName(node),
    ...(resourceId !== null && { resourceId }),
  });

  return [
    defineQuery({
      name: 'metrics',
      title: 'Metrics',
      summary: 'The series that are kept of machines, checks and Steward itself.',
      permission: 'read',
      input: PageInput.extend({ name: z.enum(METRIC_NAMES).optional().describe('Only this metric.'), ...filter }),
      output: pageOf(SeriesView.extend({ ...about, lastSeen: z.coerce.date().describe('To the hour.') })),
      examples: [{ title: 'What is kept of the disks', input: { name: 'steward_host_filesystem_free_bytes' } }],
      cli: ['metrics', 'list'],
      columns: ['name', 'labels', 'node', 'unit', 'lastSeen'],
      async handle({ limit, cursor, ...asked }) {
        if (cursor !== undefined && !/^\d{1,10}$/.test(cursor))
          throw StewardError.invalid([{ path: 'cursor', message: 'expected the `next` of a page' }]);
        const rows = await found(asked, { limit: limit + 1, after: cursor === undefined ? undefined : Number(cursor) });
        const items = await Promise.all(
          rows
            .slice(0, limit)
            .map(async (row) => ({ ...(await viewOf(row)), ...METRICS[row.name], lastSeen: row.lastSeen })),
        );
        const last = rows.length > limit ? items.at(-1) : undefined;
        return { items, ...(last && { next: String(last.id) }) };
      },
    }),

    defineQuery({
      name: 'metric-range',
      title: 'A metric over time',
      summary:
        'What a metric was over a stretch of time. How fine the answer is depends on its length, and on what is kept.',
      permission: 'read',
      input: z.object({
        name: z.enum(METRIC_NAMES).describe('The metric.'),
        ...filter,
        last: Duration.optional().describe('From so long ago until now; 1h where nothing else is said.'),
        from: instant.optional().describe('When it begins, in place of `last`.'),
        to: instant.optional().describe('When it ends; now where it is left out.'),
        step: Duration.optional().describe('How far apart the points are at least; some 300 are made without it.'),
      }),
      output: Range,
      examples: [
        {
          title: 'Free space of the disk over a month',
          input: { name: 'steward_host_filesystem_free_bytes', labels: ['mount=/'], last: '30d' },
        },
      ],
      cli: ['metrics', 'show'],
      cliArguments: ['name'],
      async handle({ name, last, from, to, step, ...asked }) {
        const at = now();
        const span = spanOf({ last, from, to }, at);
        const lengthMs = span.to.getTime() - span.from.getTime();
        const resolution = resolve(
          { from: span.from, stepMs: step === undefined ? fittingStep(lengthMs) : ms(step) },
          settings().keep,
          at,
        );
        const rows = await found({ name, ...asked }, { limit: MOST_SERIES + 1 });
        if (rows.length > MOST_SERIES)
          throw new StewardError('INPUT_INVALID', `More than ${MOST_SERIES} series of ${name} fit.`, {
            hint: 'Name a service, a node or labels.',
          });
        const points = Math.ceil(lengthMs / resolution.stepMs) * rows.length;
        if (points > MOST_POINTS)
          throw new StewardError(
            'INPUT_INVALID',
            `That would be ${points} points of ${rows.length} series, and ${MOST_POINTS} are the most.`,
            {
              hint: `Ask for a step of ${formatDuration(Math.ceil((lengthMs * rows.length) / MOST_POINTS))} or more, or for fewer series.`,
            },
          );
        const values = await readRange(
          db,
          rows.map(({ id }) => id),
          span,
          resolution,
          ticks,
        );
        return {
          name,
          ...METRICS[name],
          ...span,
          step: formatDuration(resolution.stepMs),
          resolution: resolution.level.name,
          series: await Promise.all(
            rows.map(async (row) => {
              const { name: _, ...view } = await viewOf(row);
              const its = values.get(row.id) ?? [];
              return {
                of: textOf(row.labels),
                ...view,
                ...overall(its),
                points: its.map(({ at, count, sum, min, max, last: newest }) => ({
                  at,
                  count,
                  avg: shown(sum / count),
                  min: shown(min),
                  max: shown(max),
                  last: shown(newest),
                })),
              };
            }),
          ),
        };
      },
    }),

    defineQuery({
      name: 'disk-forecast',
      title: 'When disks are full',
      summary: 'How fast each disk fills, from the last seven days, and when it is full if that goes on.',
      permission: 'read',
      input: z.object({ node: filter.node }),
      output: z.object({ items: z.array(DiskForecast) }),
      cli: ['metrics', 'disk-forecast'],
      columns: ['node', 'mount', 'state', 'fullAt', 'message'],
      async handle(asked) {
        const at = now();
        const rows = (
          await found({ name: 'steward_host_filesystem_free_bytes', ...asked }, { limit: MOST_SERIES })
        ).filter(({ lastSeen }) => at.getTime() - lastSeen.getTime() < 3 * HOUR_MS);
        const span = { from: new Date(at.getTime() - FORECAST_FROM_MS), to: at };
        const resolution = resolve({ from: span.from, stepMs: HOUR_MS }, settings().keep, at);
        const values = await readRange(
          db,
          rows.map(({ id }) => id),
          span,
          resolution,
          ticks,
        );
        const items = rows.map(async ({ id, node, labels }) => {
          const points = values.get(id) ?? [];
          const freeBytes = points.at(-1)?.last;
          return {
            node: await nodeName(node),
            mount: labels['mount'] ?? '',
            device: labels['device'] ?? '',
            ...(freeBytes !== undefined && { freeBytes }),
            ...told(
              forecast(
                points.map((point) => ({ at: point.at, value: point.last })),
                at,
              ),
            ),
          };
        });
        return { items: await Promise.all(items) };
      },
    }),
  ];
}

interface OperationDeps extends Pick<MetricsDeps, 'store' | 'inventory' | 'settings' | 'nodeName' | 'now'> {
  /** The id of a node that somebody names. */
  readonly nodeId: (name: string) => Promise<string>;
  readonly ticks: TickReader;
}

function told(said: ReturnType<typeof forecast>): Omit<z.input<typeof DiskForecast>, 'node' | 'mount' | 'device'> {
  if (said.state === 'not-enough-history') return { state: said.state, message: said.why };
  const bytesPerDay = Math.round(said.perDay);
  if (said.state === 'steady') return { state: said.state, bytesPerDay, message: 'It does not fill within a year.' };
  const { fullAt, earliest, latest } = said;
  return {
    state: said.state,
    bytesPerDay,
    fullAt,
    earliest,
    ...(latest && { latest }),
    message: `It is full on ${fullAt.toISOString().slice(0, 10)} if it goes on like that.`,
  };
}

function spanOf(
  { last, from, to }: { last?: string | undefined; from?: string | undefined; to?: string | undefined },
  now: Date,
): { readonly from: Date; readonly to: Date } {
  if (last !== undefined && from !== undefined)
    throw StewardError.invalid([{ path: 'last', message: 'expected either last or from' }]);
  const end = to === undefined ? now : new Date(to);
  const begin = from === undefined ? new Date(end.getTime() - ms(last ?? '1h')) : new Date(from);
  if (begin >= end)
    throw StewardError.invalid([{ path: 'from', message: `expected a time before ${end.toISOString()}` }]);
  return { from: begin, to: end };
}

function textOf(labels: Labels): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(' ');
}

function overall(points: readonly Point[]): Partial<Record<'last' | 'avg' | 'min' | 'max', number>> {
  const newest = points.at(-1);
  if (!newest) return {};
  const total = (of: (point: Point) => number): number => points.reduce((sum, point) => sum + of(point), 0);
  return {
    last: shown(newest.last),
    avg: shown(total(({ sum }) => sum) / total(({ count }) => count)),
    min: shown(points.reduce((least, { min }) => Math.min(least, min), Infinity)),
    max: shown(points.reduce((most, { max }) => Math.max(most, max), -Infinity)),
  };
}

/** Values are kept with seven digits, and more would be noise. */
function shown(value: number): number {
  return Number(value.toPrecision(7));
}
