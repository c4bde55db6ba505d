import type { Incident } from '../../core/incident.ts';
import type { Resource } from '../../core/resource.ts';
import type { Considered } from './choose.ts';
import { giveUp } from './give-up.ts';
import type { HealerDeps } from './healer-deps.ts';
import { say } from './say.ts';

const FINGERPRINT = 'healing.limited';

/**
 * The brake for all of them together: what has disturbed so much within an hour may itself be the trouble. That is an
 * incident of its own, told once; what is critical gets a person now, and the rest waits for its turn.
 */
export async function limitReached(
  incident: Incident,
  resource: Resource,
  {
    until,
    made,
    considered,
  }: { readonly until: Date; readonly made: number; readonly considered: readonly Considered[] },
  deps: HealerDeps,
  signal: AbortSignal,
): Promise<Date | undefined> {
  const { incidents } = deps;
  const because = `Healing has acted ${made} times within the hour, which is its limit (healing.disruptivePerHour)`;
  const known = await incidents.byFingerprint(FINGERPRINT);
  if (!known || known.status === 'resolved')
    await incidents.open({
      fingerprint: FINGERPRINT,
      title: `${because}; what is not critical waits`,
      symptom: FINGERPRINT,
      severity: 'warning',
      evidence: { made, until: until.toISOString(), waiting: resource.name },
    });
  if (resource.critical) {
    await giveUp(
      incident,
      resource,
      { considered, because: `${because}, and ${resource.name} is critical.` },
      deps,
      signal,
    );
    return undefined;
  }
  await say(incident, `${because}; ${resource.name} waits until ${until.toISOString()}.`, deps);
  return until;
}

/** Over as soon as there is room again. */
export async function limitOver({ incidents, ledger, settings }: HealerDeps): Promise<void> {
  const known = await incidents.byFingerprint(FINGERPRINT);
  if (!known || known.status === 'resolved') return;
  if ((await ledger.disruptiveWithinHour()) < settings().disruptivePerHour)
    await incidents.resolve(known.id, 'Fewer actions than the limit lie within the last hour.');
}
