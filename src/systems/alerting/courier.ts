import type { Breakers } from '../../core/breaker.ts';
import { StewardError } from '../../core/errors.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Log } from '../../core/log.ts';
import type { Alert, Channel, Message } from '../../core/alert.ts';
import { createLines } from '../../store/lines.ts';
import { alertId } from './compose-alert.ts';
import type { Claim, Outbox, Trx } from './outbox.ts';
import type { Recipients } from './recipients.ts';
import { type AlertingSettings, type Route, takes } from './settings.ts';
import { deliverWithin } from './within-deadline.ts';

export interface CourierDeps {
  readonly outbox: Outbox;
  /** Before each channel: one that failed too often is left alone for a while. */
  readonly breakers: Pick<Breakers, 'around'>;
  readonly incidents: Pick<Incidents, 'note'>;
  readonly routes: () => readonly Route[];
  readonly recipients: Pick<Recipients, 'all'>;
  readonly settings: () => AlertingSettings;
  /** What is sent of an alert by this channel. */
  readonly message: (alert: Alert, channel: Channel) => Message;
  readonly now: () => Date;
  readonly log: Log;
  readonly node: string;
  /** After this, an attempt has failed. */
  readonly deadlineMs: number;
  /** Before the second attempt; doubles with each further one. */
  readonly backoffMs: number;
  /** Hears that something became due at another time than it was. */
  readonly onPostponed: () => void;
}

const LONGEST_WAIT_MS = 600_000;
const LONGEST_ASKED_WAIT_MS = 3_600_000;
/** With the shipped back-off, 3 seconds after the first attempt. */
const OTHERS_STEP_IN_AFTER = 3;
/** A receiver that wants to be left alone for longer is stood in for at once. */
const LONG_WAIT_MS = 60_000;

/** Brings what is pending to its channels. Each channel has a line of its own, so one that hangs delays nobody else. */
export function createCourier(deps: CourierDeps) {
  const { outbox, incidents, routes, recipients, settings, now, log, node } = deps;
  const lines = createLines({
    async work(name, signal) {
      const route = routes().find(({ channel }) => channel.name === name);
      if (!route) return;
      for (let claim = await outbox.claim(name, node); claim; claim = await outbox.claim(name, node)) {
        await attempt(route.channel, claim, signal);
        if (signal.aborted) return;
      }
    },
    onFailure: (channel, thrown) =>
      log.warn('alerts could not be fetched for a channel', { channel, reason: StewardError.from(thrown).message }),
  });

  async function attempt(channel: Channel, claim: Claim, signal: AbortSignal): Promise<void> {
    const { alert, delivery, attachments } = claim;
    if (await outbox.isOvertaken(claim))
      return await outbox.finish(claim, { receipt: 'not sent: the problem is back' });
    let receipt: string;
    try {
      ({ receipt } = await deps.breakers.around(`channel:${channel.name}`, () =>
        deliverWithin(
          deps.deadlineMs,
          channel,
          { ...deps.message(alert, channel), ...(attachments.length > 0 && { attachments }) },
          signal,
        ),
      ));
    } catch (thrown) {
      if (signal.aborted) return await outbox.later(claim, undefined, 0);
      const error = StewardError.from(thrown);
      if (error.code === 'BREAKER_OPEN') return await leftAlone(channel, claim, error);
      return await failed(channel, claim, error);
    }
    await outbox.finish(claim, { receipt });
    log.info('alert delivered', {
      alert: alert.id,
      channel: channel.name,
      kind: alert.kind,
      attempts: delivery.attempts,
    });
    await note(alert.incidentId, `Channel ${channel.name} took the alert '${alert.kind}'.`);
  }

  async function failed(channel: Channel, claim: Claim, error: StewardError): Promise<void> {
    const { alert, delivery } = claim;
    // A bug of ours may well be one that does not show the next time.
    const mayHelp = error.retryable || error.code === 'INTERNAL' || error.code === 'CANCELED';
    const { attempts } = delivery;
    log.warn('alert not delivered', {
      alert: alert.id,
      channel: channel.name,
      attempts,
      code: error.code,
      reason: error.message,
    });
    if (mayHelp && attempts < settings().attempts) {
      const waitMs = waitAfter(attempts, error);
      if (attempts === OTHERS_STEP_IN_AFTER || waitMs > LONG_WAIT_MS)
        await outbox.db.transaction().execute((trx) => othersStepIn(trx, channel, alert, error));
      await outbox.later(claim, error, waitMs);
      deps.onPostponed();
      return;
    }
    await outbox.finish(claim, { error }, (trx) => othersStepIn(trx, channel, alert, error));
    await note(alert.incidentId, `Channel ${channel.name} did not take the alert '${alert.kind}': ${error.message}`);
  }

  /** Nothing was sent, so it was no attempt: the alert waits for the channel, and the others have it at once. */
  async function leftAlone(channel: Channel, claim: Claim, error: StewardError): Promise<void> {
    const { alert } = claim;
    log.warn('alert waits for a channel that failed too often', {
      alert: alert.id,
      channel: channel.name,
      reason: error.message,
    });
    await outbox.db.transaction().execute((trx) => othersStepIn(trx, channel, alert, error));
    await outbox.later(claim, undefined, error.retryAfterMs ?? 0);
    deps.onPostponed();
  }

  function waitAfter(attempts: number, { retryAfterMs = 0 }: StewardError): number {
    const backoff = Math.min(deps.backoffMs * 2 ** (attempts - 1), LONGEST_WAIT_MS);
    return Math.max(backoff, Math.min(retryAfterMs, LONGEST_ASKED_WAIT_MS));
  }

  /** Its fallback gets the alert, all others where it has none, and once per trouble they hear that this channel does not work. */
  async function othersStepIn(trx: Trx, { name }: Channel, alert: Claim['alert'], error: StewardError): Promise<void> {
    const others = (await recipients.all()).filter((other) => other.name !== name);
    const fallback = routes().find(({ channel }) => channel.name === name)?.fallback;
    const stated = others.filter((other) => other.name === fallback);
    // A test is about this channel alone, and becomes an incident of its own.
    if (['notice', 'digest', 'success', 'test'].includes(alert.kind) || others.length === 0) return;
    const isOfUse = stated.length > 0 && !(await hasTrouble(trx, alert.id, fallback));
    await outbox.send(trx, alert, isOfUse ? stated : others, { insteadOf: name });
    const last = await trx
      .selectFrom('alert_deliveries')
      .select('alert_id')
      .where('channel', '=', name)
      .where('state', '=', 'delivered')
      .orderBy('finished_at', 'desc')
      .limit(1)
      .executeTakeFirst();
    await outbox.record(
      trx,
      {
        // One notice for all that fails after the last delivery that worked.
        id: alertId('channel fails', name, last?.alert_id ?? ''),
        kind: 'notice',
        severity: 'warning',
        title: `Alert channel ${name} does not deliver`,
        text: `${error.message}\n${error.hint ?? ''}\n${isOfUse ? `Channel ${fallback} stands` : 'The other channels stand'} in for it.`.replaceAll(
          '\n\n',
          '\n',
        ),
        node,
        at: now(),
      },
      { to: others.filter((route) => takes(route, 'warning')) },
    );
  }

  /** Whether a channel does not get on with this very alert either. */
  async function hasTrouble(trx: Trx, alertIdentity: string, name: string | undefined): Promise<boolean> {
    const row = await trx
      .selectFrom('alert_deliveries')
      .select(['state', 'attempts'])
      .where('alert_id', '=', alertIdentity)
      .where('channel', '=', name ?? '')
      .executeTakeFirst();
    return row?.state === 'failed' || (row?.state === 'pending' && row.attempts >= OTHERS_STEP_IN_AFTER);
  }

  async function note(incidentId: string | undefined, message: string): Promise<void> {
    if (incidentId === undefined) return;
    await incidents.note(incidentId, { kind: 'delivery', message }).catch((thrown: unknown) =>
      log.debug('delivery is missing in the timeline', {
        incident: incidentId,
        reason: StewardError.from(thrown).message,
      }),
    );
  }

  return {
    /** Sets every idle line going; returns without waiting for any. */
    deliver(signal: AbortSignal): void {
      lines.go(
        routes().map(({ channel }) => channel.name),
        signal,
      );
    },
    idle: lines.idle,
  };
}
