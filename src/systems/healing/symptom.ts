import { isProblem, problemsOf, type ServiceStatus } from '../../core/monitor.ts';

/** What healing concerns itself with; anything else that is wrong is for people. */
export function isHealable(symptom: string): boolean {
  return symptom === 'service.down' || isProblem(symptom);
}

/** Whether the resource has the symptom, as its checks have settled on it. */
export function hasSymptom(status: ServiceStatus | undefined, symptom: string): boolean {
  if (status === undefined) return false;
  return symptom === 'service.down'
    ? status.state === 'down'
    : problemsOf(status).some(({ problem }) => problem === symptom);
}

/** Whether the latest look of a check saw the trouble, settled or not. */
export function showsTrouble(status: ServiceStatus | undefined, symptom: string): boolean {
  return status?.checks.some(({ last }) => last?.problem === symptom) ?? false;
}

export function fails(status: ServiceStatus | undefined, often = 1): boolean {
  return (
    status !== undefined &&
    (status.state === 'down' ||
      status.checks.some(({ consecutiveFailures, last }) => consecutiveFailures >= often && last?.state === 'down'))
  );
}
