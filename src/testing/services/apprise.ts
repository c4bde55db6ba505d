import { z } from 'zod';
import { bodyOf, type Service, taken } from './service.ts';

export const APPRISE_KEY = 'ops-of-example';

const PersistentNotificationRequest = z.strictObject({
  body: z.string().min(1),
  title: z.string().optional(),
  type: z.enum(['info', 'success', 'warning', 'failure']).default('info'),
  format: z.enum(['text', 'markdown', 'html']).default('text'),
  tag: z.string().default('all'),
});

export const apprise: Service = {
  published: 'https://github.com/caronc/apprise-api/blob/master/swagger.yaml',
  path: '',
  answer(request) {
    const [, notify, key] = request.url.pathname.split('/');
    if (request.method !== 'POST' || notify !== 'notify') return { status: 404 };
    // Nothing is kept there: an answer of success without anything in it.
    if (key !== APPRISE_KEY) return { status: 204 };
    const { wrong } = bodyOf(PersistentNotificationRequest, request);
    if (wrong !== undefined) return { status: 400, body: { error: wrong } };
    return { status: 200, body: { error: null, details: [['INFO', '2026-01-02 03:04:05', 'Sent it on.']] } };
  },
  shown(request) {
    const { title, body } = taken(PersistentNotificationRequest, request);
    return `${title}\n${body}`;
  },
  markup(request) {
    const { format } = taken(PersistentNotificationRequest, request);
    return format === 'text' ? [] : [format];
  },
};
