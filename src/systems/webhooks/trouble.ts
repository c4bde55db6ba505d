import { createTrouble, type TroubleDeps, type Trouble } from '../trouble.ts';

export const NOT_RECEIVED = 'webhooks.not-received';

/** Open as long as webhooks are not received as configured. */
export function receiverTrouble(deps: TroubleDeps): Trouble {
  const words = { title: 'Webhooks are not received', over: 'Webhooks are received again.' };
  return createTrouble({ symptom: NOT_RECEIVED, ...words }, deps);
}
