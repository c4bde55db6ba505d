import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const SLACK_PATH = '/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX';

const Attachment = z.strictObject({
  fallback: z.string().optional(),
  color: z.string().optional(),
  pretext: z.string().optional(),
  title: z.string().optional(),
  title_link: z.url().optional(),
  text: z.string().optional(),
  fields: z.array(z.strictObject({ title: z.string(), value: z.string(), short: z.boolean().optional() })).optional(),
  footer: z.string().max(300).optional(),
  ts: z.number().int().optional(),
  mrkdwn_in: z.array(z.enum(['pretext', 'text', 'fields'])).optional(),
});
const SlackMessage = z.strictObject({
  text: z.string().min(1).max(40_000),
  attachments: z.array(Attachment).max(20).optional(),
  thread_ts: z.string().optional(),
  mrkdwn: z.boolean().optional(),
});

export const slack: Service = {
  published:
    'https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments',
  path: SLACK_PATH,
  answer(request) {
    if (request.url.pathname !== SLACK_PATH) return { status: 403, body: 'invalid_token' };
    const { wrong } = bodyOf(SlackMessage, request);
    return wrong === undefined ? { status: 200, body: 'ok' } : { status: 400, body: 'invalid_payload' };
  },
  shown(request) {
    const { text, attachments = [] } = taken(SlackMessage, request);
    return [text, ...attachments.map((each) => each.text)]
      .join('\n')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&');
  },
  // Mentions and links stand between angles, and nothing else makes one.
  markup: ({ body }) => body.match(/[<>]/g) ?? [],
};
