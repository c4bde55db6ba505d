import { ms } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { isFinal, type Run } from '../../core/run.ts';
import { adviceFor } from './advice.ts';
import { fail, finish, heldBack } from './ends.ts';
import { HEALER, type HealerDeps } from './healer-deps.ts';
import { switchedOff } from './settings.ts';
import { soak } from './soak.ts';
import type { Attempt } from './tables.ts';

/** Where the record of a runbook, and not the policy, is why a person is asked. */
export const RECORD_RULE = 'healing-record';

const PLANNED_AGAIN_WITHIN_MS = 10_000;

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
  const { runs, incidents, attempts, inventory, ledger, settings } = deps;
  const resource = await inventory.get(attempt.resource_id);
  const runbook = deps.runbooks().find(({ name }) => name === attempt.runbook);
  const incident = await incidents.get(attempt.incident_id);
  if (!resource || !runbook || !incident || incident.status === 'resolved') {
    await finish(attempt, 'abandoned', 'It was over before the attempt began.', deps);
    return;
  }
  const off = switchedOff(settings(), await runs.mode());
  if (off !== undefined && !(await begun(attempt, deps))) {
    await finish(attempt, 'abandoned', `Healing was ${off} before the attempt began.`, deps);
    await incidents.setStatus(incident.id, 'open');
    return;
  }
  const { standing, why } = await ledger.standing(runbook, settings());
  await incidents.setStatus(incident.id, 'healing');
  let run: Run;
  try {
    run = await runs.start({
      automation: runbook.automation,
      input: attempt.input,
      trigger: 'healing',
      actor: HEALER,
      // The same attempt started twice is one run, whatever died in between.
      idempotencyKey: `heal:${incident.id}:${attempt.number}`,
      causation: { incidentId: incident.id },
      reason: incident.title,
      ...(standing === 'propose' && { askFirst: { rule: RECORD_RULE, why } }),
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
    message: `Attempt ${attempt.number}: ${runbook.title} (${runbook.name}). ${
      standing === 'auto' ? 'It may act by itself as far as the policy lets it' : 'It asks a person first'
    }: ${why}`,
    runId: run.id,
    actor: HEALER,
    data: { runbook: runbook.name, autonomy: { standing, why } },
  });
}

/** Whether its run was started and Steward died before it wrote down which one. */
async function begun(attempt: Attempt, { runs }: HealerDeps): Promise<boolean> {
  const { items } = await runs.list({ automation: attempt.automation, since: attempt.started_at });
  return items.some(({ causation }) => causation.incidentId === attempt.incident_id);
}

async function watchRun(attempt: Attempt, deps: HealerDeps, signal: AbortSignal): Promise<Date | undefined> {
  const { runs, incidents, attempts, now, settings } = deps;
  const run = attempt.run_id === null ? undefined : await runs.get(attempt.run_id);
  if (!run) {
    await fail(attempt, 'The run is not known any more.', deps);
    return;
  }
  if (run.status === 'waiting-approval') return await waitsForPerson(attempt, run, deps);
  if (!isFinal(run.status)) {
    if (attempt.status === 'waiting-approval') {
      await attempts.update(attempt, { status: 'running' });
      await incidents.setStatus(attempt.incident_id, 'healing');
    }
    return;
  }
  if (run.status === 'stale' && (await goesOnAs(attempt, run, deps))) return;
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
  if (run.status === 'rejected' || run.status === 'expired') return await refused(attempt, run, deps);
  await fail(attempt, outcomeOf(run), deps);
  return;
}

/** The world moved on while it was planned: the engine plans it again as another run, which is this attempt from here on. */
async function goesOnAs(attempt: Attempt, stale: Run, { runs, attempts, now }: HealerDeps): Promise<boolean> {
  const { items } = await runs.list({ automation: attempt.automation, since: attempt.started_at });
  const next = items.find(({ causation }) => causation.runId === stale.id);
  if (next) await attempts.update(attempt, { run_id: next.id });
  return next !== undefined || now().getTime() - (stale.finishedAt ?? now()).getTime() < PLANNED_AGAIN_WITHIN_MS;
}

async function waitsForPerson(attempt: Attempt, run: Run, deps: HealerDeps): Promise<undefined> {
  const { runs, incidents, attempts } = deps;
  const incident = await incidents.get(attempt.incident_id);
  if (!incident || incident.status === 'resolved') {
    await runs.cancel(run.id, { actor: HEALER, reason: 'The incident is over.' });
    await finish(attempt, 'abandoned', 'It was over before anybody approved.', deps);
  } else if (attempt.status === 'running') {
    await attempts.update(attempt, { status: 'waiting-approval' });
    // Nothing happens until then, so a service that comes back by itself closes its incident.
    await incidents.setStatus(incident.id, 'open');
    const who =
      run.decisionRule === RECORD_RULE
        ? `The record of ${attempt.runbook} does not let it act by itself yet`
        : `The policy (${run.decisionRule ?? 'a rule'}) wants a person to approve ${run.automation}`;
    await incidents.note(incident.id, {
      kind: 'note',
      message: `${who}: run ${run.id} waits.`,
      runId: run.id,
      actor: HEALER,
    });
  }
}

/** The policy or a person said no, and would again: whoever may act is told at once instead of being asked once more. */
async function refused(attempt: Attempt, run: Run, deps: HealerDeps): Promise<undefined> {
  const { incidents, inventory } = deps;
  const why =
    run.decision === 'observe'
      ? `The policy rule '${run.decisionRule ?? 'unknown'}' lets ${run.automation} only look, so nothing was changed.`
      : run.status === 'expired'
        ? `Nobody answered the plan of ${run.automation} in time, so nothing was changed.`
        : `${run.automation} was rejected: ${run.error?.message ?? 'no reason was given'}`;
  await finish(attempt, 'abandoned', why, deps);
  await incidents.note(attempt.incident_id, { kind: 'outcome', message: why, actor: HEALER, runId: run.id });
  await incidents.setStatus(attempt.incident_id, 'open');
  const resource = await inventory.get(attempt.resource_id);
  const advice = resource === undefined ? '' : ` ${adviceFor(resource, attempt.symptom)}`;
  await incidents.escalate(attempt.incident_id, `${why}${advice}`, {
    run: run.id,
    decision: run.decision ?? null,
    rule: run.decisionRule ?? null,
  });
}

function outcomeOf(run: Run): string {
  if (run.decision === 'observe')
    return `The policy (${run.decisionRule ?? 'a rule'}) lets ${run.automation} only be observed.`;
  const broken = run.checks.filter(({ ok }) => !ok).map(({ name }) => name);
  const why = run.error?.message ?? (broken.length > 0 ? `not true: ${broken.join('; ')}` : 'no reason is known');
  return `The run ended as ${run.status}: ${why}`;
}
