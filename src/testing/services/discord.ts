import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const DISCORD_PATH = '/api/webhooks/1234567890/a-token-that-nobody-may-know';

const Embed = z.strictObject({
  title: z.string().max(256).optional(),
  description: z.string().max(4_096).optional(),
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .optional(),
  timestamp: z.iso.datetime().optional(),
  color: z.number().int().min(0).max(0xff_ff_ff).optional(),
  footer: z.strictObject({ text: z.string().max(2_048), icon_url: z.url().optional() }).optional(),
  author: z.strictObject({ name: z.string().max(256), url: z.url().optional() }).optional(),
  fields: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(256),
        value: z.string().min(1).max(1_024),
        inline: z.boolean().optional(),
      }),
    )
    .max(25)
    .optional(),
});
const DiscordMessage = z
  .strictObject({
    content: z.string().max(2_000).optional(),
    username: z.string().min(1).max(80).optional(),
    avatar_url: z.url().optional(),
    tts: z.boolean().optional(),
    embeds: z.array(Embed).max(10).optional(),
    allowed_mentions: z
      .strictObject({
        parse: z.array(z.enum(['roles', 'users', 'everyone'])).optional(),
        roles: z.array(z.string()).max(100).optional(),
        users: z.array(z.string()).max(100).optional(),
      })
      .optional(),
    flags: z.number().int().optional(),
    thread_name: z.string().max(100).optional(),
  })
  .refine(({ content, embeds }) => Boolean(content) || (embeds?.length ?? 0) > 0, 'one of content, embeds')
  .refine(
    ({ embeds = [] }) => embeds.map((embed) => textOf(embed)).join('').length <= 6_000,
    'embeds have at most 6000 characters together',
  );

function textOf({ title = '', description = '', footer, author, fields = [] }: z.output<typeof Embed>): string {
  return [
    title,
    description,
    footer?.text ?? '',
    author?.name ?? '',
    ...fields.flatMap(({ name, value }) => [name, value]),
  ].join('');
}

export const discord: Service = {
  published: 'https://github.com/discord/discord-api-docs/blob/main/docs/resources/webhook.mdx',
  path: DISCORD_PATH,
  answer(request) {
    if (request.url.pathname !== DISCORD_PATH)
      return { status: 401, body: { message: 'Invalid Webhook Token', code: 50_027 } };
    const { wrong } = bodyOf(DiscordMessage, request);
    if (request.method !== 'POST' || wrong !== undefined)
      return { status: 400, body: { code: 50_035, message: `Invalid Form Body: ${wrong}` } };
    return request.url.searchParams.get('wait') === 'true'
      ? { status: 200, body: { id: '987654321', type: 0, content: '' } }
      : { status: 204 };
  },
  shown(request) {
    const { embeds = [] } = taken(DiscordMessage, request);
    // A backslash before a sign that is no letter and no digit is not shown.
    return embeds.map((embed) => `${embed.title}\n${embed.description}`.replaceAll(/\\([^\w\s])/g, '$1')).join('\n');
  },
  markup(request) {
    const { embeds = [], allowed_mentions: mentions } = taken(DiscordMessage, request);
    // An address that stands there bare leads where it says.
    const read = (text: string) => text.replaceAll(/\\[^\w\s]/g, '').replaceAll(/https?:\/\/\S+/g, '');
    const marks = embeds.flatMap((embed) => read(textOf(embed)).match(/[`*~|<>[\]#@]|__/g) ?? []);
    return [...marks, ...(mentions?.parse?.length === 0 ? [] : ['mentions are allowed'])];
  },
};
