import type { EventType, StewardEvent } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Store } from '../../store/store.ts';

const LOOK_BACK_EVENTS = 5_000;
const MOST = 40;
const TYPES: readonly EventType[] = [
  'run.finished',
  'resource.found',
  'resource.changed',
  'resource.gone',
  'resource.returned',
  'config.loaded',
  'service.down',
  'service.stopped',
  'service.up',
  'service.degraded',
  'node.lost',
  'node.returned',
  'steward.started',
];

/** What Steward saw happen since an instant, the latest last: most faults follow a change. */
export async function whatChanged(store: Store, since: Date): Promise<JsonObject[]> {
  const latest = await store.events.latestId();
  const events = await store.events.read({
    after: Math.max(0, latest - LOOK_BACK_EVENTS),
    types: TYPES,
    limit: LOOK_BACK_EVENTS,
  });
  return events
    .filter(({ at }) => at >= since)
    .slice(-MOST)
    .map(inBrief);
}

function inBrief({ at, type, subject, data }: StewardEvent): JsonObject {
  const told = ['name', 'automation', 'status', 'message', 'state', 'changed']
    .filter((key) => data[key] !== undefined)
    .map((key) => [key, data[key]] as const);
  return {
    at: at.toISOString(),
    what: type,
    ...(subject && { subject: `${subject.kind} ${subject.id}` }),
    ...Object.fromEntries(told),
  };
}
