import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const SLACK_PATH = '/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX';

const Plain = (most: number) =>
  z.strictObject({
    type: z.literal('plain_text'),
    text: z.string().min(1).max(most),
    emoji: z.boolean().optional(),
  });
const Text = (most: number) =>
  z.union([
    Plain(most),
    z.strictObject({ type: z.literal('mrkdwn'), text: z.string().min(1).max(most), verbatim: z.boolean().optional() }),
  ]);
const Header = z.strictObject({ type: z.literal('header'), text: Plain(150) });
const Section = z
  .strictObject({
    type: z.literal('section'),
    text: Text(3_000).optional(),
    fields: z.array(Text(2_000)).min(1).max(10).optional(),
  })
  .refine(({ text, fields }) => text !== undefined || fields !== undefined);
const SlackMessage = z.strictObject({
  text: z.string().min(1).max(40_000),
  blocks: z
    .array(z.union([Header, Section]))
    .min(1)
    .max(50),
  thread_ts: z.string().optional(),
  mrkdwn: z.boolean().optional(),
});

export const slack: Service = {
  published:
    'https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and https://docs.slack.dev/reference/block-kit/blocks',
  path: SLACK_PATH,
  answer(request) {
    if (request.url.pathname !== SLACK_PATH) return { status: 403, body: 'invalid_token' };
    const { wrong } = bodyOf(SlackMessage, request);
    return wrong === undefined ? { status: 200, body: 'ok' } : { status: 400, body: 'invalid_payload' };
  },
  shown(request) {
    const { text, blocks } = taken(SlackMessage, request);
    return [text, ...blocks.flatMap((each) => [each.text, ...('fields' in each ? (each.fields ?? []) : [])])]
      .map((each) => (typeof each === 'object' ? each.text : each))
      .join('\n')
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&');
  },
  // Mentions and links stand between angles, and nothing else makes one.
  markup: ({ body }) => body.match(/[<>]/g) ?? [],
};
