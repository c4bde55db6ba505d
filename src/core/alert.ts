import { z } from 'zod';
import { Severity } from './incident.ts';

/** One message about an incident, already redacted and cut to size. */
export const Alert = z.object({
  id: z.string(),
  kind: z.enum(['opened', 'escalated', 'reminder', 'acknowledged', 'resolved', 'test', 'notice', 'digest', 'success']),
  severity: Severity,
  title: z.string(),
  text: z.string().describe('What happened, what changed, what was tried; plain text.'),
  incidentId: z.string().optional(),
  service: z.string().optional(),
  node: z.string(),
  at: z.coerce.date(),
  url: z.string().optional().describe('Where to look.'),
});
export type Alert = z.output<typeof Alert>;

/** Something whole to read beside a message. */
export interface Attachment {
  readonly fileName: string;
  readonly contentType: string;
  readonly content: string;
}

/** An alert on its way to one channel. */
export interface Message extends Alert {
  /** Where whoever has the message says that they take care of it. Not on record: it is as good as a password for that. */
  readonly acknowledgeUrl?: string | undefined;
  /** For channels that can carry them; the text says what matters without. */
  readonly attachments?: readonly Attachment[] | undefined;
}

/** A way to deliver an alert. Throws a retryable StewardError when a later try may succeed. */
export interface Channel {
  readonly name: string;
  readonly kind: string;
  /** Milliseconds that one delivery may take, where it needs longer than others. */
  readonly deadlineMs?: number | undefined;
  deliver(alert: Message, signal: AbortSignal): Promise<{ readonly receipt: string }>;
}
