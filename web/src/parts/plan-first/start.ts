import { tell, type TellPath } from '../../api/client.ts';
import { Refused } from '../../api/refused.ts';
import type { Run } from '../plan.tsx';
import { bodyOf, type Wanted } from './wanted.ts';

/** Each automation has addresses of its own; which one is only known here. */
async function send(wanted: Wanted, what: 'plan' | 'runs', more: object = {}): Promise<Run> {
  const path = `/api/v1/automations/${encodeURIComponent(wanted.automation)}/${what}` as TellPath;
  try {
    return (await tell(path, { body: { ...bodyOf(wanted), ...more } as never })) as Run;
  } catch (refused) {
    throw refused instanceof Refused ? refused.within('input') : refused;
  }
}

/** Begins a run that stops after its plan. */
export const plan = (wanted: Wanted): Promise<Run> => send(wanted, 'plan');

/** Only looks, so there is nothing to plan. */
export const look = (wanted: Wanted): Promise<Run> => send(wanted, 'runs');

/** Starts exactly the plan of a dry run, and no other. */
export async function apply(wanted: Wanted, dryRun: string): Promise<Run> {
  const { token } = await tell('/api/v1/runs/{id}/plan-token', { path: { id: dryRun } });
  return await send(wanted, 'runs', { planToken: token });
}
