import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { isFinal, type Run } from '../../core/run.ts';
import { HEALER, type HealerDeps } from './healer-deps.ts';
import { adviceFor, RUNBOOKS } from './runbooks/index.ts';
import { soakLookMs, switchedOff } from './settings.ts';
import type { Attempt } from './tables.ts';
import { fails } from './waits.ts';

const UNCLEAR_FOR_MS = 300_000;

/** Takes one attempt a step further, from wherever a look before this one, or a Steward before this one, left it. */
export async function followAttempt(
  attempt: Attempt,
  deps: HealerDeps,
  signal: AbortSignal,
): Promise<Date | undefined> {
  switch (attempt.status) {
    case 'starting':
      return await start(attempt, deps);
    case 'running':
    case 'waiting-approval':
      return await watchRun(attempt, deps, signal);
    case 'soaking':
      return await soak(attempt, deps, signal);
    case 'succeeded':
    case 'failed':
    case 'abandoned':
      return;
  }
}

async function start(attempt: Attempt, deps: HealerDeps): Promise<Date | undefined> {
  const { runs, incidents, attempts, inventory, settings } = deps;
  const resource = await inventory.get(attempt.resource_id);
  const runbook = RUNBOOKS.find(({ name }) => name === attempt.runbook);
  const incident = await incidents.get(attempt.incident_id);
  if (!resource || !runbook || !incident || incident.status === 'resolved') {
    await attempts.finish(attempt, 'abandoned', 'It was over before the attempt began.');
    return;
  }
  const off = switchedOff(settings(), await runs.mode());
  if (off !== undefined && !(await begun(attempt, deps))) {
    await attempts.finish(attempt, 'abandoned', `Healing was ${off} before the attempt began.`);
    await incidents.setStatus(incident.id, 'open');
    return;
  }
  await incidents.setStatus(incident.id, 'healing');
  let run: Run;
  try {
    run = await runs.start({
      automation: runbook.automation,
      input: runbook.input(resource),
      trigger: 'healing',
      actor: HEALER,
      // The same attempt started twice is one run, whatever died in between.
      idempotencyKey: `heal:${incident.id}:${attempt.number}`,
      causation: { incidentId: incident.id },
      reason: incident.title,
    });
  } catch (thrown) {
    const error = StewardError.from(thrown);
    if (error.retryable) throw error;
    // The kill switch was pulled in this very moment: nothing was tried, so nothing counts.
    if (error.code === 'STEWARD_PAUSED') return await heldBack(attempt, error.message, deps);
    await fail(attempt, `The run could not be started: ${error.message}`, deps);
    return;
  }
  await attempts.update(attempt, { status: 'running', run_id: run.id });
  await incidents.note(incident.id, {
    kind: 'attempt',
    message: `Attempt ${attempt.number} of ${settings().attempts}: ${runbook.title}.`,
    runId: run.id,
    actor: HEALER,
  });
}

/** Whether its run was started and Steward died before it wrote down which one. */
async function begun(attempt: Attempt, { runs }: HealerDeps): Promise<boolean> {
  const { items } = await runs.list({
    targetId: attempt.resource_id,
    automation: attempt.automation,
    since: attempt.started_at,
  });
  return items.some(({ causation }) => causation.incidentId === attempt.incident_id);
}

async function watchRun(attempt: Attempt, deps: HealerDeps, signal: AbortSignal): Promise<Date | undefined> {
  const { runs, incidents, attempts, now, settings } = deps;
  const run = attempt.run_id === null ? undefined : await runs.get(attempt.run_id);
  if (!run) {
    await fail(attempt, 'The run is not known any more.', deps);
    return;
  }
  const incident = await incidents.get(attempt.incident_id);
  if (run.status === 'waiting-approval') {
    if (!incident || incident.status === 'resolved') {
      await runs.cancel(run.id, { actor: HEALER, reason: 'The incident is over.' });
      await attempts.finish(attempt, 'abandoned', 'It was over before anybody approved.');
    } else if (attempt.status === 'running') {
      await attempts.update(attempt, { status: 'waiting-approval' });
      // Nothing happens until then, so a service that comes back by itself closes its incident.
      await incidents.setStatus(incident.id, 'open');
      await incidents.note(incident.id, {
        kind: 'note',
        message: `The policy (${run.decisionRule ?? 'a rule'}) wants a person to approve ${run.automation}: run ${run.id} waits.`,
        runId: run.id,
        actor: HEALER,
      });
    }
    return;
  }
  if (!isFinal(run.status)) {
    if (attempt.status === 'waiting-approval' && incident) {
      await attempts.update(attempt, { status: 'running' });
      await incidents.setStatus(incident.id, 'healing');
    }
    return;
  }
  if (run.status === 'succeeded') {
    const since = now();
    const soaking = await attempts.update(attempt, {
      status: 'soaking',
      soaking_since: since,
      soak_until: new Date(since.getTime() + ms(settings().soak)),
    });
    return await soak(soaking, deps, signal);
  }
  if (run.error?.code === 'STEWARD_PAUSED' || (run.status === 'canceled' && (await runs.mode()).mode === 'stopped'))
    return await heldBack(attempt, run.error?.message ?? 'Steward was stopped.', deps);
  if (run.status === 'rejected') return await refused(attempt, run, deps);
  await fail(attempt, outcomeOf(run), deps);
  return;
}

async function heldBack(attempt: Attempt, why: string, { attempts, incidents }: HealerDeps): Promise<undefined> {
  await attempts.finish(attempt, 'abandoned', why);
  await incidents.setStatus(attempt.incident_id, 'open');
}

/** The policy or a person said no, and would again: whoever may act is told at once instead of being asked once more. */
async function refused(attempt: Attempt, run: Run, { attempts, incidents, inventory }: HealerDeps): Promise<undefined> {
  const why =
    run.decision === 'observe'
      ? `The policy rule '${run.decisionRule ?? 'unknown'}' lets ${run.automation} only look, so nothing was restarted.`
      : `${run.automation} was rejected: ${run.error?.message ?? 'no reason was given'}`;
  await attempts.finish(attempt, 'abandoned', why);
  await incidents.note(attempt.incident_id, { kind: 'outcome', message: why, actor: HEALER, runId: run.id });
  await incidents.setStatus(attempt.incident_id, 'open');
  const resource = await inventory.get(attempt.resource_id);
  const advice = resource === undefined ? '' : ` ${adviceFor(resource)}`;
  await incidents.escalate(attempt.incident_id, `${why}${advice}`, {
    run: run.id,
    decision: run.decision ?? null,
    rule: run.decisionRule ?? null,
  });
}

async function soak(attempt: Attempt, deps: HealerDeps, signal: AbortSignal): Promise<Date | undefined> {
  const { incidents, monitor, attempts, now, settings } = deps;
  const status = await monitor.probeNow(attempt.resource_id, signal);
  const until = attempt.soak_until ?? now();
  if (attempt.relapsed_at !== null || fails(status, 2)) {
    const message = status?.checks.find(({ last }) => last?.state === 'down')?.last?.message;
    await fail(
      attempt,
      `The restart worked, and the symptom came back within the soak window${message ? `: ${message}` : '.'}`,
      deps,
    );
    return;
  }
  if (status?.state === 'stopped') {
    await attempts.finish(attempt, 'abandoned', 'It was stopped on purpose meanwhile.');
    await incidents.resolve(attempt.incident_id, 'It was stopped on purpose.', HEALER);
    return;
  }
  const clean = (status?.state === 'up' || status?.state === 'degraded') && !fails(status);
  if (now() >= until && clean) {
    const lasted = Math.round((until.getTime() - (attempt.soaking_since ?? until).getTime()) / 1_000);
    await attempts.finish(attempt, 'succeeded', `The symptom stayed away for ${lasted} s.`);
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
    return;
  }
  if (now().getTime() >= until.getTime() + UNCLEAR_FOR_MS) {
    await fail(attempt, `Whether it helped could not be learned: it is ${status?.state ?? 'not watched'}.`, deps);
    return;
  }
  const next = new Date(now().getTime() + soakLookMs(settings()));
  return until > now() && until < next ? until : next;
}

async function fail(attempt: Attempt, outcome: string, { attempts, incidents }: HealerDeps): Promise<void> {
  await attempts.finish(attempt, 'failed', outcome);
  await incidents.note(attempt.incident_id, {
    kind: 'outcome',
    message: `Attempt ${attempt.number} did not help. ${outcome}`,
    actor: HEALER,
    ...(attempt.run_id !== null && { runId: attempt.run_id }),
  });
  await incidents.setStatus(attempt.incident_id, 'open');
}

function outcomeOf(run: Run): string {
  if (run.decision === 'observe')
    return `The policy (${run.decisionRule ?? 'a rule'}) lets ${run.automation} only be observed.`;
  const broken = run.checks.filter(({ ok }) => !ok).map(({ name }) => name);
  const why = run.error?.message ?? (broken.length > 0 ? `not true: ${broken.join('; ')}` : 'no reason is known');
  return `The run ended as ${run.status}: ${why}`;
}
