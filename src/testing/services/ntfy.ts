import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const NTFY_TOKEN = 'tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2';
export const TOPIC = 'ops-alerts';

const Publish = z.strictObject({
  topic: z.string().regex(/^[-_A-Za-z0-9]{1,64}$/),
  message: z.string().optional(),
  title: z.string().optional(),
  tags: z.array(z.string()).optional(),
  priority: z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)]).optional(),
  click: z.url().optional(),
  attach: z.url().optional(),
  markdown: z.boolean().optional(),
  icon: z.url().optional(),
  filename: z.string().optional(),
  delay: z.string().optional(),
  email: z.string().optional(),
  call: z.string().optional(),
  actions: z
    .array(z.looseObject({ action: z.enum(['view', 'broadcast', 'http']), label: z.string() }))
    .max(3)
    .optional(),
});
/** A longer message is turned into a file. */
const MESSAGE_BYTES = 4_096;

export const ntfy: Service = {
  published: 'https://docs.ntfy.sh/publish/#publish-as-json',
  path: '',
  answer(request) {
    const { data, wrong } = bodyOf(Publish, request);
    if (request.url.pathname !== '/')
      return { status: 404, body: { code: 40_401, http: 404, error: 'page not found' } };
    if (request.headers.authorization !== `Bearer ${NTFY_TOKEN}`)
      return { status: 401, body: { code: 40_101, http: 401, error: 'unauthorized' } };
    if (wrong !== undefined)
      return { status: 400, body: { code: 40_024, http: 400, error: `invalid request: ${wrong}` } };
    if (Buffer.byteLength(data.message ?? '') > MESSAGE_BYTES)
      return { status: 413, body: { code: 41_301, http: 413 } };
    return {
      status: 200,
      body: { id: 'hwQ2YpKdmg', time: 1, event: 'message', topic: data.topic, message: data.message },
    };
  },
  shown(request) {
    const { title, message } = taken(Publish, request);
    return `${title}\n${message}`;
  },
  markup: (request) => (taken(Publish, request).markdown ? ['markdown'] : []),
};
