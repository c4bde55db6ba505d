import { redact } from '../../core/redact.ts';
import type { EventDraft } from '../../core/event.ts';
import type { Json } from '../../core/json.ts';
import { storableText } from '../../core/storable-text.ts';
import { formData } from '../../../edge/handlers/webhooks/content.ts';
import { storable } from '../../../edge/handlers/webhooks/storable.ts';

/** An event carries so much; what is longer stays in the delivery. */
const LARGEST_DATA_BYTES = 64 * 1024;

interface Sent {
  readonly id: string;
  readonly type: string;
  readonly content: 'json' | 'form';
  readonly body: Buffer;
  readonly source: string;
  readonly receivedAt: Date;
}

/** What was sent, as everybody may see it: secrets are taken out, and characters that no store takes. Throws where it is no JSON. */
export function shownData({ content, body }: Pick<Sent, 'content' | 'body'>): Json {
  const text = body.toString('utf8');
  const data = (content === 'json' ? JSON.parse(text) : formData(text)) as Json;
  return storable(redact(data)) as Json;
}

/** The event of a delivery: {type, data, timestamp, source} and what it is known by. */
export function eventOf(sent: Sent, node: string, replay: boolean): EventDraft {
  const tooLong = sent.body.length > LARGEST_DATA_BYTES;
  return {
    type: 'webhook.received',
    subject: { kind: 'webhook', id: sent.type },
    node,
    data: {
      id: sent.id,
      type: sent.type,
      timestamp: sent.receivedAt.toISOString(),
      source: storableText(sent.source),
      data: tooLong ? null : shownData(sent),
      ...(tooLong && { bytes: sent.body.length }),
      ...(replay && { replay }),
    },
  };
}
