import type { Answer } from '../../api/client.ts';
import type { Tone } from '../../parts/tone.ts';

export type Webhook = Answer<'/api/v1/webhooks'>['items'][number];
export type StateName = Webhook['state'];

/** What became of a webhook, in words. */
export const STATES: Readonly<Record<StateName, { readonly label: string; readonly tone: Tone }>> = {
  told: { label: 'told', tone: 'good' },
  open: { label: 'at work', tone: 'calm' },
  held: { label: 'held back', tone: 'calm' },
  retrying: { label: 'tried again', tone: 'warn' },
  dead: { label: 'dead', tone: 'bad' },
};
