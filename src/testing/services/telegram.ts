import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const BOT_TOKEN = '123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11';
export const CHAT = -1_001_234_567_890;

const SendMessage = z.strictObject({
  business_connection_id: z.string().optional(),
  chat_id: z.union([z.number().int(), z.string().regex(/^@\w{5,32}$|^-?\d+$/)]),
  message_thread_id: z.number().int().optional(),
  text: z.string().min(1).max(4_096),
  parse_mode: z.enum(['MarkdownV2', 'HTML', 'Markdown']).optional(),
  entities: z.array(z.object({ type: z.string(), offset: z.number(), length: z.number() })).optional(),
  link_preview_options: z.strictObject({ is_disabled: z.boolean().optional() }).optional(),
  disable_notification: z.boolean().optional(),
  protect_content: z.boolean().optional(),
});

export const telegram: Service = {
  published: 'https://core.telegram.org/bots/api#sendmessage',
  path: '',
  answer(request) {
    const refusal = (status: number, description: string) => ({
      status,
      body: { ok: false, error_code: status, description },
    });
    if (request.url.pathname !== `/bot${BOT_TOKEN}/sendMessage`) return refusal(401, 'Unauthorized');
    const { data, wrong } = bodyOf(SendMessage, request);
    if (wrong !== undefined) return refusal(400, `Bad Request: ${wrong}`);
    if (String(data.chat_id) !== String(CHAT)) return refusal(400, 'Bad Request: chat not found');
    return {
      status: 200,
      body: { ok: true, result: { message_id: 42, date: 1, chat: { id: CHAT, type: 'supergroup' }, text: data.text } },
    };
  },
  shown: (request) => taken(SendMessage, request).text,
  markup(request) {
    const { text, parse_mode: mode, link_preview_options: preview } = taken(SendMessage, request);
    return [
      ...(mode === undefined ? [] : [mode]),
      ...(text.match(/\B@\w+/g) ?? []),
      ...(preview?.is_disabled ? [] : ['links are fetched']),
    ];
  },
};
