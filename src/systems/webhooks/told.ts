import { redact } from '../../core/redact.ts';
import type { EventDraft } from '../../core/event.ts';
import type { Json } from '../../core/json.ts';
import { storableText } from '../../core/storable-text.ts';
import { formData } from '../../../edge/handlers/webhooks/content.ts';
import { storable } from '../../../edge/handlers/webhooks/storable.ts';

/** An event carries so much; what is longer stays in the delivery, where whoever starts something by it looks. */
const LARGEST_DATA_BYTES = 64 * 1024;
/** Far more than anybody means, and less than the store refuses. */
const LEVELS = 1_000;

interface Sent {
  readonly id: string;
  readonly type: string;
  readonly content: 'json' | 'form';
  readonly body: Buffer;
  readonly source: string;
  readonly receivedAt: Date;
}

/** What was sent, as everybody may see it: secrets are taken out, and characters that no store takes. Throws where no store takes it. */
export function shownData({ content, body }: Pick<Sent, 'content' | 'body'>): Json {
  const text = body.toString('utf8');
  const data = (content === 'json' ? JSON.parse(text) : formData(text)) as Json;
  return storable(redact(data), LEVELS) as Json;
}

/** The event of a delivery: {type, data, timestamp, source} and what it is known by. */
export function eventOf(sent: Sent, node: string, replay: boolean): EventDraft {
  const tooLong = sent.body.length > LARGEST_DATA_BYTES;
  const data = shownData(sent);
  return {
    type: 'webhook.received',
    subject: { kind: 'webhook', id: sent.type },
    node,
    data: {
      id: sent.id,
      type: sent.type,
      timestamp: sent.receivedAt.toISOString(),
      source: storableText(sent.source),
      data: tooLong ? null : data,
      ...(tooLong && { bytes: sent.body.length }),
      ...(replay && { replay }),
    },
  };
}
