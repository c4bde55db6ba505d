import { z } from 'zod';
import { Conditions, whyNotHeld } from './condition.ts';
import { Duration } from './duration.ts';
import { EVENTS, type EventType, type StewardEvent } from './event.ts';
import { matchesGlob } from './glob.ts';
import type { Json, JsonObject } from './json.ts';
import { Path, valueAt } from './reference.ts';

const TYPES = Object.keys(EVENTS) as EventType[];

export const typesLike = (pattern: string): EventType[] => TYPES.filter((type) => matchesGlob(pattern, type));

export const EventName = z
  .string()
  .refine((pattern) => typesLike(pattern).length > 0, {
    error:
      'expected the type of an event such as service.down, or a pattern such as service.*; see docs/reference/events.md',
  })
  .describe('The type of an event, or a pattern: service.down, service.*.');

/** Which events are meant: their type, and what they must say. */
export const EventPattern = z.strictObject({
  event: EventName,
  where: Conditions.optional().describe(
    'What must hold of the event: type, node, subject.kind, subject.id, data.…, actor.name.',
  ),
});
export type EventPattern = z.output<typeof EventPattern>;

/** When events that match start something: at once, when they have been quiet for a while, or when they pile up. */
export const EventTiming = z.object({
  by: z
    .array(Path)
    .max(5)
    .optional()
    .describe(
      'Events for which these are the same belong together: by default their subject. An empty list: all of them.',
    ),
  debounce: Duration.optional().describe('Starts once, when no further one came for this long.'),
  atMost: Duration.optional().describe('Starts after this long even though they keep coming.'),
  count: z.number().int().min(2).max(100).optional().describe('Starts when so many came within `within`.'),
  within: Duration.optional().describe('How long one of them counts.'),
  throttle: Duration.optional().describe('After a start, further ones start nothing for this long.'),
});
export type EventTiming = z.output<typeof EventTiming>;

/** What is wrong with them together, and where. */
export function timingProblem(timing: Omit<EventTiming, 'by'>): { at: keyof EventTiming; message: string } | undefined {
  const { debounce, atMost, count, within } = timing;
  if (count !== undefined && within === undefined) return { at: 'count', message: 'expected within: 10m beside count' };
  if (within !== undefined && count === undefined) return { at: 'within', message: 'expected count: 3 beside within' };
  if (count !== undefined && debounce !== undefined)
    return { at: 'debounce', message: 'expected either debounce or count' };
  if (atMost !== undefined && debounce === undefined)
    return { at: 'atMost', message: 'expected debounce: 5m beside atMost' };
  return undefined;
}

/** The event as conditions see it. */
export function eventScope({ id, type, at, subject, data, node, actor }: StewardEvent): JsonObject {
  return {
    id,
    type,
    at: at.toISOString(),
    data,
    ...(subject && { subject: { ...subject } }),
    ...(node !== undefined && { node }),
    ...(actor && { actor: { kind: actor.kind, name: actor.name, role: actor.role } }),
  };
}

export function isMeant({ event: pattern, where = [] }: EventPattern, event: StewardEvent): boolean {
  return matchesGlob(pattern, event.type) && whyNotHeld(where, eventScope(event)) === undefined;
}

/** A run or a workflow that only planned: it changed nothing, and nothing comes of that. */
export function isOfDryRun({ type, data }: Pick<StewardEvent, 'type' | 'data'>): boolean {
  return data['dryRun'] === true && (type.startsWith('run.') || type.startsWith('workflow.'));
}

/** Events with one key belong together. */
export function keyOf(by: readonly string[], event: StewardEvent): string {
  const scope = eventScope(event);
  return by.map((path) => text(valueAt(scope, path))).join(' ');
}

const text = (value: Json | undefined): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
