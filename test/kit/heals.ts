import type { SeenEvent, SeenIncident } from './api.ts';
import type { Machine } from './machine.ts';

export const told =
  (type: string, resourceId: string) =>
  (event: SeenEvent): boolean =>
    event.type === type && (event.subject?.id === resourceId || event.data['resourceId'] === resourceId);

/** What one failure came to, from the blow to the end of its incident. */
export interface Outcome {
  readonly incident: SeenIncident;
  readonly secondsToDown: number;
  readonly secondsToEnd: number;
  /** Incidents that were opened since the blow, of whatever service. */
  readonly opened: readonly SeenEvent[];
}

/** Strikes a service and waits until Steward is done with it. */
export async function strike(
  { api, log }: Pick<Machine, 'api' | 'log'>,
  name: string,
  blow: () => Promise<unknown>,
  {
    endsWith = 'incident.resolved',
    withinMs = 60_000,
  }: { endsWith?: 'incident.resolved' | 'incident.escalated'; withinMs?: number } = {},
): Promise<Outcome> {
  const { id } = await api.service(name);
  const from = log.events.length;
  const at = Date.now();
  await blow();
  const down = await log.until(`${name} is down`, told('service.down', id), withinMs, from);
  const end = await log.until(`the incident of ${name} ends`, told(endsWith, id), withinMs, from);
  return {
    incident: await api.incident(String(end.data['incidentId'])),
    secondsToDown: secondsBetween(at, down.at),
    secondsToEnd: secondsBetween(at, end.at),
    opened: log.events.slice(from).filter(({ type }) => type === 'incident.opened'),
  };
}

function secondsBetween(at: number, end: string): number {
  return Math.round((new Date(end).getTime() - at) / 100) / 10;
}
