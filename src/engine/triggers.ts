import type { Catalog } from '../core/catalog.ts';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { EventType, StewardEvent, WholeEvent } from '../core/event.ts';
import { isMeant, isOfDryRun } from '../core/event-pattern.ts';
import { matchesGlob } from '../core/glob.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import type { EventConsumer } from '../store/event-consumer.ts';
import type { Store } from '../store/store.ts';
import { tellable } from './tellable.ts';
import { type Due, type EventTrigger, hashOfTrigger, isTimed, type Windows } from './windows.ts';
import { startedKey, type Workflows } from './workflows.ts';

interface TriggersDeps {
  readonly store: Store;
  readonly catalog: () => Catalog;
  readonly workflows: Pick<Workflows, 'startBy'>;
  readonly windows: Windows;
  readonly wholeEvent: WholeEvent;
  readonly now: () => Date;
  readonly log: Log;
}

/** Starts workflows by what happens: each event once, or when those that belong together are quiet or many. */
export interface Triggers {
  listen(): EventConsumer;
  look(): Promise<void>;
}

export function createTriggers({ store, catalog, workflows, windows, wholeEvent, now, log }: TriggersDeps): Triggers {
  const eventTriggers = (): { workflow: AnyWorkflow; trigger: EventTrigger; index: number }[] =>
    [...catalog().workflows.values()].flatMap((workflow) =>
      workflow.triggers.flatMap((trigger, index) => (trigger.kind === 'event' ? [{ workflow, trigger, index }] : [])),
    );

  const wanted = (type: EventType): boolean => eventTriggers().some(({ trigger }) => matchesGlob(trigger.event, type));

  async function handle(event: StewardEvent): Promise<void> {
    if (isOfDryRun(event)) return;
    const begun = new Set<string>();
    const whole = await wholeEvent(event);
    for (const { workflow, trigger, index } of eventTriggers()) {
      if (!isMeant(trigger, whole)) continue;
      if (isTimed(trigger)) await windows.collect(workflow, index, event, whole);
      else if (!begun.has(workflow.name)) {
        begun.add(workflow.name);
        const idempotencyKey = startedKey(event.id, workflow.name);
        await workflows.startBy(workflow, {
          event,
          context: contextOf(trigger, tellable(whole, event)),
          idempotencyKey,
        });
      }
    }
  }

  async function startDue(due: Due): Promise<Date | undefined> {
    const found = eventTriggers().find(
      ({ workflow, trigger, index }) =>
        workflow.name === due.workflow && index === due.trigger && hashOfTrigger(trigger) === due.hash,
    );
    // It left the configuration, or is another one by now: what was collected is of no use.
    if (!found) return undefined;
    const { workflow, trigger } = found;
    const { event, count, firstAt } = due;
    try {
      await workflows.startBy(workflow, {
        event,
        context: contextOf(trigger, tellable(await wholeEvent(event), event), {
          count,
          firstAt: firstAt.toISOString(),
        }),
        idempotencyKey: `event:${event.id}:${workflow.name}:${due.trigger}`,
      });
    } catch (thrown) {
      const { retryable, message } = StewardError.from(thrown);
      if (retryable) throw thrown;
      log.error('workflow not started by its events', { workflow: workflow.name, event: event.id, reason: message });
    }
    return trigger.throttle === undefined ? undefined : new Date(now().getTime() + ms(trigger.throttle));
  }

  return {
    listen: () => store.events.consume({ consumer: 'workflows', types: async () => wanted, from: 'now', handle }),
    look: () => windows.look(startDue),
  };
}

function contextOf(
  { context }: EventTrigger,
  { id, type, at, subject, data }: StewardEvent,
  more: JsonObject = {},
): JsonObject {
  return {
    ...context,
    ...data,
    event: { id, type, at: at.toISOString(), ...(subject && { subject: { ...subject } }), ...more },
  };
}
