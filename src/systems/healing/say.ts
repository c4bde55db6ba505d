import type { Incident, TimelineEntry } from '../../core/incident.ts';
import { HEALER, type HealerDeps } from './healer-deps.ts';
import type { Attempt } from './tables.ts';

/** Says it once for an incident, however often it is found again. */
export async function say(
  incident: Incident,
  message: string,
  { attempts, incidents }: Pick<HealerDeps, 'attempts' | 'incidents'>,
  data?: TimelineEntry['data'],
): Promise<undefined> {
  if (await attempts.remark(incident.id, message))
    await incidents.note(incident.id, {
      kind: 'note',
      message,
      actor: HEALER,
      ...(data !== undefined && { data }),
    });
}

/** A heal that did not last is none: it counts against its runbook from now on. */
export async function noteLost(
  incident: Incident,
  { runbook, finished_at, run_id }: Attempt,
  { incidents, ledger, runbooks, settings }: HealerDeps,
): Promise<void> {
  await incidents.note(incident.id, {
    kind: 'outcome',
    message: `${runbook} had helped (${finished_at?.toISOString() ?? 'before'}), and it is back: that counts as a failure.`,
    actor: HEALER,
    ...(run_id !== null && { runId: run_id }),
  });
  const known = runbooks().find(({ name }) => name === runbook);
  if (known) await ledger.reconsider(known, settings());
}
