import type { Alert, Channel, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { post } from './http-delivery.ts';
import { addressOf, type SecretAddress, tokenOf } from './secret-address.ts';
import { cut, ACKNOWLEDGE } from './words.ts';

export interface PagerDutySettings {
  readonly name: string;
  readonly routingKey: SecretReference;
  readonly url: SecretAddress;
  readonly allowPrivate: boolean;
}

const SUMMARY_LENGTH = 1_024;

/** The Events API v2 of PagerDuty, and of what understands it. One incident is one alert there, from its trigger to its end. */
export function pagerDutyChannel(
  { name, routingKey, url, allowPrivate }: PagerDutySettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  return {
    name,
    kind: 'pagerduty',
    async deliver(alert, signal) {
      // They tell of no problem: there is nothing that somebody could take or resolve.
      if (alert.kind === 'digest' || alert.kind === 'success')
        return { receipt: `not sent: a ${alert.kind} is no event` };
      const key = await tokenOf(routingKey, secrets);
      const address = await addressOf(url, name, secrets);
      const send = async (action: Action): Promise<{ receipt: string }> =>
        await post(outbound, name, {
          url: address,
          body: JSON.stringify({ routing_key: key, ...eventOf(alert, action) }),
          allowPrivate,
          signal,
          conceal: [key],
        });
      const answer = await send(actionFor(alert));
      // A test leaves nothing open behind it.
      return alert.kind === 'test' ? await send('resolve') : answer;
    },
  };
}

/** Where word of a service comes from, for rules that sort events by it; the node is among the details. */
const SERVICES = 'healthcheck-edge';

type Action = 'trigger' | 'acknowledge' | 'resolve';

function actionFor({ kind }: Alert): Action {
  if (kind === 'resolved') return 'resolve';
  return kind === 'acknowledged' ? 'acknowledge' : 'trigger';
}

function eventOf(alert: Message, action: Action): object {
  const { id, incidentId, kind, severity, title, text, service, node, at, url, acknowledgeUrl } = alert;
  const links = [
    ...(url === undefined ? [] : [{ href: url, text: 'Open in Steward' }]),
    ...(acknowledgeUrl === undefined ? [] : [{ href: acknowledgeUrl, text: ACKNOWLEDGE }]),
  ];
  const event = { event_action: action, dedup_key: incidentId ?? id };
  if (action !== 'trigger') return event;
  return {
    ...event,
    payload: {
      summary: cut(title, SUMMARY_LENGTH),
      source: service === undefined ? node : SERVICES,
      severity,
      timestamp: at.toISOString(),
      ...(service === undefined ? {} : { component: service }),
      class: kind,
      custom_details: {
        text: text.toWellFormed(),
        node,
        alert: id,
        ...(incidentId === undefined ? {} : { incident: incidentId }),
      },
    },
    client: 'Steward',
    ...(url === undefined ? {} : { client_url: url }),
    ...(links.length > 0 && { links }),
  };
}
