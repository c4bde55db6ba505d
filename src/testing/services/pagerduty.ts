import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const ROUTING_KEY = 'e93facc04764012d7bfb002500d5d1a6';

/** The schema has the members; the limits are on the page of the events. */
const Payload = z.strictObject({
  summary: z.string().min(1).max(1_024),
  source: z.string().min(1),
  severity: z.enum(['critical', 'warning', 'error', 'info']),
  timestamp: z.iso.datetime().optional(),
  component: z.string().optional(),
  group: z.string().optional(),
  class: z.string().optional(),
  custom_details: z.record(z.string(), z.unknown()).optional(),
});
const common = { routing_key: z.string(), dedup_key: z.string().min(1).max(255) };
export const PagerDutyEvent = z.discriminatedUnion('event_action', [
  z.strictObject({
    ...common,
    event_action: z.literal('trigger'),
    dedup_key: common.dedup_key.optional(),
    payload: Payload,
    client: z.string().optional(),
    client_url: z.url().optional(),
    links: z.array(z.strictObject({ href: z.url(), text: z.string().optional() })).optional(),
    images: z.array(z.strictObject({ src: z.url(), href: z.url().optional(), alt: z.string().optional() })).optional(),
  }),
  z.strictObject({ ...common, event_action: z.literal('acknowledge') }),
  z.strictObject({ ...common, event_action: z.literal('resolve') }),
]);

export const pagerDuty: Service = {
  published: 'https://github.com/PagerDuty/api-schema/blob/main/reference/events-v2/openapiv3.json',
  path: '/v2/enqueue',
  answer(request) {
    const { data, wrong } = bodyOf(PagerDutyEvent, request);
    const invalid = (...errors: string[]) => ({
      status: 400,
      body: { status: 'invalid event', message: 'Event object is invalid', errors },
    });
    if (request.method !== 'POST' || request.url.pathname !== '/v2/enqueue') return { status: 404 };
    if (wrong !== undefined) return invalid(wrong);
    if (data.routing_key.length !== 32)
      return invalid("Length of 'routing_key' is incorrect (should be 32 characters)");
    return {
      status: 202,
      body: { status: 'success', message: 'Event processed', dedup_key: data.dedup_key ?? 'made' },
    };
  },
  shown(request) {
    const event = taken(PagerDutyEvent, request);
    return event.event_action === 'trigger'
      ? `${event.payload.summary}\n${String(event.payload.custom_details?.['text'])}`
      : event.event_action;
  },
  // Text is shown as it is.
  markup: () => [],
};
