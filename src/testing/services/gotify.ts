import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const APPLICATION_TOKEN = 'AwC1f8uLVRz3Kd1';

const Message = z.strictObject({
  message: z.string().min(1),
  title: z.string().optional(),
  priority: z.number().int().optional(),
  extras: z.record(z.string().regex(/^[^:]+::[^:]+$/), z.unknown()).optional(),
});
const Display = z.object({ 'client::display': z.object({ contentType: z.enum(['text/plain', 'text/markdown']) }) });

export const gotify: Service = {
  published: 'https://github.com/gotify/server/blob/master/docs/spec.json and https://gotify.net/docs/msgextras',
  path: '/push',
  answer(request) {
    const { data, wrong } = bodyOf(Message, request);
    if (request.method !== 'POST' || request.url.pathname !== '/push/message') return { status: 404 };
    const refusal = (errorCode: number, error: string, errorDescription: string) => ({
      status: errorCode,
      body: { error, errorCode, errorDescription },
    });
    if (request.headers['x-gotify-key'] !== APPLICATION_TOKEN)
      return refusal(
        401,
        'Unauthorized',
        'you need to provide a valid access token or user credentials to access this api',
      );
    if (wrong !== undefined) return refusal(400, 'Bad Request', wrong);
    return { status: 200, body: { id: 25, appid: 5, date: '2026-01-02T03:04:05Z', ...data } };
  },
  shown(request) {
    const { title, message } = taken(Message, request);
    return `${title}\n${message}`;
  },
  markup(request) {
    const display = Display.safeParse(taken(Message, request).extras).data;
    return display?.['client::display'].contentType === 'text/markdown' ? ['markdown'] : [];
  },
};
