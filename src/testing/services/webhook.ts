import { Webhook } from 'standardwebhooks';
import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const SIGNING_SECRET = `whsec_${Buffer.from('a signing secret of 32 bytes ....').toString('base64')}`;

const StandardPayload = z.object({
  type: z.string().regex(/^\w+(\.\w+)*$/),
  timestamp: z.iso.datetime(),
  data: z.object({ title: z.string(), text: z.string() }),
});

export const webhook: Service = {
  published: 'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md',
  path: '/hook',
  answer(request) {
    try {
      new Webhook(SIGNING_SECRET).verify(request.body, request.headers as Record<string, string>);
    } catch {
      return { status: 401, body: 'wrong signature' };
    }
    const { wrong } = bodyOf(StandardPayload, request);
    return wrong === undefined ? { status: 204 } : { status: 400, body: wrong };
  },
  shown(request) {
    const { title, text } = taken(StandardPayload, request).data;
    return `${title}\n${text}`;
  },
  markup: () => [],
};
