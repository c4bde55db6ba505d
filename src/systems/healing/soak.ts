import { isParalyzing, type ServiceStatus } from '../../core/monitor.ts';
import { fail, finish } from './ends.ts';
import { HEALER, type HealerDeps } from './healer-deps.ts';
import { soakLookMs } from './settings.ts';
import { fails, showsTrouble } from './symptom.ts';
import type { Attempt } from './tables.ts';

const UNCLEAR_FOR_MS = 300_000;
/** One look that still sees the trouble may be of before the remedy took hold. */
const SEEN_TOO_OFTEN = 2;

/** Whether the symptom stays away: the run did what it said, and that proves nothing yet. */
export async function soak(attempt: Attempt, deps: HealerDeps, signal: AbortSignal): Promise<Date | undefined> {
  const { monitor, now, settings } = deps;
  const status = await monitor.probeNow(attempt.resource_id, signal);
  const until = attempt.soak_until ?? now();
  const verdict = await look(attempt, status, deps);
  if (verdict.isBack) {
    const message = status?.checks.find(({ last }) => last?.state === 'down' || last?.problem !== undefined)?.last
      ?.message;
    await fail(
      attempt,
      `${attempt.automation} worked, and the symptom ${attempt.relapsed_at === null && attempt.symptom !== 'service.down' ? 'is still there' : 'came back'} within the soak window${message ? `: ${message}` : '.'}`,
      deps,
    );
    return;
  }
  if (status?.state === 'stopped') {
    await finish(attempt, 'abandoned', 'It was stopped on purpose meanwhile.', deps);
    await deps.incidents.resolve(attempt.incident_id, 'It was stopped on purpose.', HEALER);
    return;
  }
  if (now() >= until && verdict.isClean) return await helped(attempt, until, deps);
  if (now().getTime() >= until.getTime() + UNCLEAR_FOR_MS) {
    await fail(attempt, `Whether it helped could not be learned: it is ${status?.state ?? 'not watched'}.`, deps);
    return;
  }
  const next = new Date(now().getTime() + soakLookMs(settings()));
  return until > now() && until < next ? until : next;
}

async function look(
  attempt: Attempt,
  status: ServiceStatus | undefined,
  { attempts, inventory }: Pick<HealerDeps, 'attempts' | 'inventory'>,
): Promise<{ isBack: boolean; isClean: boolean }> {
  if (attempt.symptom === 'service.down')
    return {
      isBack: attempt.relapsed_at !== null || fails(status, 2),
      isClean: (status?.state === 'up' || status?.state === 'degraded') && !fails(status),
    };
  const isSeen = showsTrouble(status, attempt.symptom);
  const { seen } = isSeen ? await attempts.update(attempt, { seen: attempt.seen + 1 }) : attempt;
  const isKnown = status !== undefined && status.state !== 'unknown' && status.state !== 'pending';
  // A machine has other checks, which are other troubles; a service has to work again, unless what was healed is pressure:
  // waiting for it to be well would keep the trouble that it is down of from being healed.
  const isMachine = (await inventory.get(attempt.resource_id))?.kind === 'node';
  return {
    isBack: attempt.relapsed_at !== null || seen >= SEEN_TOO_OFTEN,
    isClean: isKnown && !isSeen && (isMachine || !isParalyzing(attempt.symptom) || !fails(status)),
  };
}

async function helped(attempt: Attempt, until: Date, deps: HealerDeps): Promise<undefined> {
  const { incidents } = deps;
  const lasted = Math.round((until.getTime() - (attempt.soaking_since ?? until).getTime()) / 1_000);
  await finish(attempt, 'succeeded', `The symptom stayed away for ${lasted} s.`, deps);
  await incidents.note(attempt.incident_id, {
    kind: 'outcome',
    message: `Attempt ${attempt.number} helped: the symptom stayed away for ${lasted} s.`,
    actor: HEALER,
    ...(attempt.run_id !== null && { runId: attempt.run_id }),
  });
  await incidents.resolve(
    attempt.incident_id,
    `Healed by ${attempt.automation}, and it stayed well for ${lasted} s.`,
    HEALER,
  );
}
