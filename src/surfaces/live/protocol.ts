import { z } from 'zod';
import type { Line } from '../../core/lines.ts';
import { LiveFilter } from './filter.ts';

/** Why a stream ends, with the code that a WebSocket is closed with. */
export const CLOSES = {
  'going-away': { code: 1001, meaning: 'The server stops. Connect again, here or to another node, and resume.' },
  refused: { code: 4400, meaning: 'A message could not be understood, or too many came. The reason says which.' },
  unauthenticated: { code: 4401, meaning: 'The credential was revoked or has expired. Get another one.' },
  'too-slow': {
    code: 4408,
    meaning: 'Nothing was read for too long. The reason is {"resume":id}: connect again and resume from there.',
  },
  'try-again': { code: 1013, meaning: 'The store cannot be read at the moment. Connect again soon and resume.' },
} as const;
export type Close = keyof typeof CLOSES;

const place = z.int().min(0).describe('The id of the last event that was handled; what comes behind it is sent.');
const topics = z
  .array(z.string().min(1).max(300))
  .max(20)
  .describe('Lines to hear: logs:<service>, logs:steward, logs:* for all of this node, run:<id>.');

/** What a client may say over a WebSocket; one JSON object a message. */
export const ClientMessage = z.discriminatedUnion('type', [
  z
    .strictObject({
      type: z.literal('subscribe'),
      events: z
        .union([LiveFilter, z.literal(false)])
        .default({})
        .describe('Which events; false for none.'),
      topics: topics.default([]),
      since: z.iso.datetime().optional().describe('Lines from this instant on, where their source still has them.'),
      after: place.optional(),
    })
    .describe('What to hear from now on; takes the place of what was said before. Without `after`, what comes next.'),
  z
    .strictObject({ type: z.literal('pause') })
    .describe('Send nothing until told to go on. Events wait in the store, lines are dropped.'),
  z.strictObject({ type: z.literal('resume') }).describe('Go on.'),
  z
    .strictObject({ type: z.literal('credit'), events: z.int().min(1).max(1_000_000) })
    .describe(
      'Send this many events more and then wait. The first one begins to count; without any, nothing is counted.',
    ),
  z.strictObject({ type: z.literal('ping') }).describe('Answered with pong.'),
]);
export type ClientMessage = z.output<typeof ClientMessage>;

/** What the server says besides the events themselves, over both transports. */
export type ServerMessage =
  | { readonly type: 'hello'; readonly latest: number; readonly node: string; readonly protocol: 1 }
  | { readonly type: 'subscribed'; readonly after: number }
  | { readonly type: 'gap'; readonly after: number; readonly continues: number; readonly reason: string }
  /** Everything up to here was looked at, though nothing of it was wanted: resume from here. */
  | { readonly type: 'at'; readonly id: number }
  | ({ readonly type: 'line'; readonly topic: string } & Line)
  | { readonly type: 'dropped'; readonly topic: string; readonly lines: number }
  | { readonly type: 'paused' | 'resumed' | 'pong' }
  | { readonly type: 'error'; readonly code: string; readonly message: string; readonly hint?: string | undefined };

/** What a stream of server-sent events is asked for, in its address. */
export const StreamQuery = z.strictObject({
  after: z.coerce
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe(place.description ?? ''),
  types: LiveFilter.shape.types,
  subject: LiveFilter.shape.subjects,
  run: LiveFilter.shape.runs,
  severity: LiveFilter.shape.severity,
  topic: topics.optional(),
  since: z.iso.datetime().optional().describe('Lines from this instant on, where their source still has them.'),
  events: z.enum(['true', 'false']).optional().describe('false: lines only.'),
});
