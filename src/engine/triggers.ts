import type { Catalog } from '../core/catalog.ts';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { EventType, StewardEvent, WholeEvent } from '../core/event.ts';
import { isMeant, isOfDryRun } from '../core/event-pattern.ts';
import { matchesGlob } from '../core/glob.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import { translateDatabaseError } from '../store/database-errors.ts';
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
  /** This one's id. */
  readonly node: string;
  readonly now: () => Date;
  readonly log: Log;
}

/** Starts workflows by what happens: each event once, or when those that belong together are quiet or many. */
export interface Triggers {
  listen(): EventConsumer;
  look(): Promise<void>;
}

/** What could not be started by an event. */
interface Failure {
  readonly workflow: AnyWorkflow;
  readonly error: StewardError;
}

class NotStarted extends StewardError {
  readonly failures: readonly Failure[];

  constructor(failures: readonly Failure[]) {
    super('INTERNAL', failures.map(({ workflow, error }) => `${workflow.name}: ${error.message}`).join('; '));
    this.failures = failures;
  }
}

export function createTriggers({
  store,
  catalog,
  workflows,
  windows,
  wholeEvent,
  node,
  now,
  log,
}: TriggersDeps): Triggers {
  const eventTriggers = (): { workflow: AnyWorkflow; trigger: EventTrigger; index: number }[] =>
    [...catalog().workflows.values()].flatMap((workflow) =>
      workflow.triggers.flatMap((trigger, index) => (trigger.kind === 'event' ? [{ workflow, trigger, index }] : [])),
    );

  const wanted = (type: EventType): boolean => eventTriggers().some(({ trigger }) => matchesGlob(trigger.event, type));

  /** Each by itself: what one of them cannot keeps none of the others. */
  async function handle(event: StewardEvent): Promise<void> {
    if (isOfDryRun(event)) return;
    const begun = new Set<string>();
    const whole = await wholeEvent(event);
    const failures: Failure[] = [];
    for (const { workflow, trigger, index } of eventTriggers()) {
      try {
        if (!isMeant(trigger, whole)) continue;
        if (isTimed(trigger)) await windows.collect(workflow, index, event, whole);
        else if (!begun.has(workflow.name)) {
          begun.add(workflow.name);
          const idempotencyKey = startedKey(event.id, workflow.name);
          const context = contextOf(trigger, tellable(whole, event));
          await workflows.startBy(workflow, { event, context, idempotencyKey });
        }
      } catch (thrown) {
        const error = StewardError.from(translateDatabaseError(thrown));
        if (error.code === 'STORE_UNAVAILABLE') throw error;
        failures.push({ workflow, error });
      }
    }
    // All of it is tried again: those that began do not begin twice.
    if (failures.length > 0) throw new NotStarted(failures);
  }

  /** Nothing tries it again: a person has to. */
  async function tellNotStarted(event: StewardEvent, failures: readonly Failure[]): Promise<void> {
    for (const { workflow, error } of failures)
      log.error('workflow not started by its events', {
        workflow: workflow.name,
        event: event.id,
        reason: error.message,
      });
    // What cannot be started by being told of this would be told of for ever.
    if (event.type === 'workflow.not-started') return;
    await store.db.transaction().execute(async (trx) => {
      await store.events.appendAll(
        trx,
        failures.map(({ workflow, error: { code, message } }) => ({
          type: 'workflow.not-started',
          subject: { kind: 'workflow', id: workflow.name },
          data: {
            workflow: workflow.name,
            event: { id: event.id, type: event.type, ...(event.subject && { subject: { ...event.subject } }) },
            error: { code, message: redactText(message) },
          },
          causation: { ...event.causation, eventId: event.id },
          node,
        })),
      );
    });
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
      const error = StewardError.from(translateDatabaseError(thrown));
      if (error.retryable) throw error;
      await tellNotStarted(event, [{ workflow, error }]);
    }
    return trigger.throttle === undefined ? undefined : new Date(now().getTime() + ms(trigger.throttle));
  }

  return {
    listen: () =>
      store.events.consume({
        consumer: 'workflows',
        types: async () => wanted,
        from: 'now',
        handle,
        onSetAside: async (event, error) =>
          error instanceof NotStarted ? await tellNotStarted(event, error.failures) : undefined,
      }),
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
