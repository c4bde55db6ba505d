import { createTrouble, type TroubleDeps, type Trouble } from '../trouble.ts';

/** What can go wrong with webhooks that a person has to know of. */
const TROUBLES = {
  'webhooks.not-received': { title: 'Webhooks are not received', over: 'Webhooks are received again.' },
  'webhooks.unreadable': {
    title: 'A secret or a schema of webhooks cannot be read',
    over: 'All secrets and schemas of webhooks can be read.',
    adds: true,
  },
  'webhooks.not-kept': {
    title: 'Webhooks are refused: they cannot be put on disk',
    over: 'Webhooks can be put on disk again.',
  },
  'webhooks.stuck': {
    title: 'Webhooks were taken and do not come into the store',
    over: 'Webhooks come into the store again.',
  },
  'webhooks.damaged': {
    title: 'Part of a webhook journal cannot be read',
    over: 'No file of the webhook journal is kept aside.',
    adds: true,
  },
} as const;

export const webhookTrouble = (symptom: keyof typeof TROUBLES, deps: TroubleDeps): Trouble =>
  createTrouble({ symptom, ...TROUBLES[symptom] }, deps);
