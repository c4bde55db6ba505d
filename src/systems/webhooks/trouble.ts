import { StewardError } from '../../core/errors.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Log } from '../../core/log.ts';

export const NOT_RECEIVED = 'webhooks.not-received';

/** What a person has to know: an incident as long as webhooks are not received as configured. */
export interface Trouble {
  /** Why they are not; nothing where they are. */
  tell(problem: string | undefined): Promise<void>;
}

export function createTrouble({
  incidents,
  node,
  log,
}: {
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>;
  readonly node: { readonly id: string };
  readonly log: Log;
}): Trouble {
  const fingerprint = `${NOT_RECEIVED}:${node.id}`;
  /** Whether there is one; unknown at the beginning, a former process may have opened it. */
  let open: boolean | undefined;

  async function settle(reason: string | undefined): Promise<void> {
    const known = await incidents.byFingerprint(fingerprint);
    const isOpen = known !== undefined && known.status !== 'resolved';
    if (reason === undefined) {
      if (isOpen) await incidents.resolve(known.id, 'Webhooks are received again.');
    } else if (!isOpen)
      await incidents.open({
        fingerprint,
        title: 'Webhooks are not received',
        symptom: NOT_RECEIVED,
        severity: 'critical',
        evidence: { reason },
      });
  }

  async function say(problem: string | undefined): Promise<void> {
    const wanted = problem !== undefined;
    if (open === wanted) return;
    try {
      await settle(problem);
      open = wanted;
    } catch (thrown) {
      // The store may be away; it is told the next time.
      log.warn('incident of the receiver of webhooks was not written', { reason: StewardError.from(thrown).message });
    }
  }

  // One after the other: two at once would both find none and open it twice.
  let said: Promise<void> = Promise.resolve();
  return { tell: (problem) => (said = said.then(() => say(problem))) };
}
