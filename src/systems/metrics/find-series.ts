import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Labels, MetricName } from '../../core/metric.ts';
import type { MetricDb } from './tables.ts';

export interface SeriesFilter {
  readonly name?: MetricName | undefined;
  readonly service?: string | undefined;
  readonly node?: string | undefined;
  readonly labels?: readonly string[] | undefined;
}

export interface FoundSeries {
  readonly id: number;
  readonly name: MetricName;
  readonly labels: Labels;
  readonly node: string;
  readonly resourceId: string | null;
  readonly lastSeen: Date;
}

/** The series that fit, in the order in which they were first seen. */
export async function findSeries(
  db: MetricDb,
  { name, service, node, labels = [] }: SeriesFilter,
  options: {
    readonly inventory: Pick<Inventory, 'resolve'>;
    readonly limit: number;
    readonly after?: number | undefined;
  },
): Promise<FoundSeries[]> {
  const wanted = Object.fromEntries(labels.map((text) => text.split(/=(.*)/s).slice(0, 2)));
  let resourceId: string | undefined;
  if (service !== undefined) {
    resourceId = (await options.inventory.resolve(service))?.id;
    if (resourceId === undefined)
      throw new StewardError('NOT_FOUND', `There is no service '${service.slice(0, 200)}'.`, {
        hint: 'steward services lists them.',
      });
  }
  const rows = await db
    .selectFrom('metric_series')
    .select(['id', 'name', 'labels', 'node', 'resource_id as resourceId', 'last_seen as lastSeen'])
    .$if(name !== undefined, (query) => query.where('name', '=', name as MetricName))
    .$if(resourceId !== undefined, (query) => query.where('resource_id', '=', resourceId ?? ''))
    .$if(node !== undefined, (query) => query.where('node', '=', node ?? ''))
    .$if(labels.length > 0, (query) => query.where('labels', '@>', JSON.stringify(wanted) as never))
    .$if(options.after !== undefined, (query) => query.where('id', '>', options.after ?? 0))
    .orderBy('id')
    .limit(options.limit)
    .execute();
  return rows;
}
