import { ms } from '../../core/duration.ts';

/** What is waited after the first attempt, the second and so on. After the last one, nothing is tried any more. */
const STEPS = ['5s', '5m', '30m', '2h', '5h', '10h', '14h'].map(ms);
const LONGEST_ASKED_MS = ms('1h');

/** An endpoint that failed so often in a row is left alone for a while, whatever waits for it. */
const BRAKED_AFTER = 3;
const FIRST_BRAKE_MS = ms('30s');
const LONGEST_BRAKE_MS = ms('10m');

/** Longer than from one attempt to the next: nothing was sent meanwhile, or nobody was there to send it. */
export const IDLE_AFTER_MS = ms('24h');

export const ATTEMPTS = STEPS.length + 1;

/** How long a delivery waits for its next attempt; undefined where it had its last. Random from half a step to one and a half. */
export function waitAfter(attempts: number, random: () => number): number | undefined {
  const step = STEPS[attempts - 1];
  return step === undefined ? undefined : Math.round(step * (0.5 + random()));
}

/** How long nothing at all is sent to an endpoint after so many failures in a row, where it asked for that long. */
export function brakeAfter(failures: number, askedMs: number | undefined, random: () => number): number {
  const asked = Math.min(askedMs ?? 0, LONGEST_ASKED_MS);
  if (failures < BRAKED_AFTER) return asked;
  const step = Math.min(FIRST_BRAKE_MS * 2 ** Math.min(failures - BRAKED_AFTER, 20), LONGEST_BRAKE_MS);
  return Math.max(asked, Math.round(step * (0.5 + random() / 2)));
}
