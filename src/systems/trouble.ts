import { StewardError } from '../core/errors.ts';
import type { Incidents, Severity } from '../core/incident.ts';
import type { Log } from '../core/log.ts';

/** What a person has to know: an incident as long as something of this node is not as configured. */
export interface Trouble {
  /** Why it is not; nothing where it is. */
  tell(reason: string | undefined, severity?: Severity): Promise<void>;
}

export interface TroubleDeps {
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>;
  readonly node: { readonly id: string };
  readonly log: Log;
}

interface Said {
  readonly reason: string | undefined;
  readonly severity: Severity;
}

interface Words {
  readonly symptom: string;
  readonly title: string;
  readonly over: string;
  /** There can be several reasons at once: when they change, the incident is told. */
  readonly adds?: boolean;
}

export function createTrouble(
  { symptom, title, over, adds = false }: Words,
  { incidents, node, log }: TroubleDeps,
): Trouble {
  const fingerprint = `${symptom}:${node.id}`;
  /** What the incident knows; unknown at the beginning, a former process may have opened it. */
  let known: Said | undefined;

  async function settle({ reason, severity }: Said): Promise<void> {
    const incident = await incidents.byFingerprint(fingerprint);
    const isOpen = incident !== undefined && incident.status !== 'resolved';
    const isWorse = severity === 'critical' && incident?.severity !== 'critical';
    if (reason === undefined) {
      if (isOpen) await incidents.resolve(incident.id, over);
      // Of a former process it says what it was opened for.
    } else if (!isOpen || isWorse || (adds && known?.reason !== undefined)) {
      await incidents.open({ fingerprint, title, symptom, severity, evidence: { reason } });
    }
  }

  async function say(said: Said): Promise<void> {
    const isOther = adds
      ? known?.reason !== said.reason
      : (known?.reason === undefined) !== (said.reason === undefined);
    const isNews = !known || isOther;
    if (!isNews && (said.reason === undefined || known?.severity === said.severity)) return;
    try {
      await settle(said);
      known = said;
    } catch (thrown) {
      // The store may be away; it is told the next time.
      log.warn('an incident was not written', { symptom, reason: StewardError.from(thrown).message });
    }
  }

  // One after the other: two at once would both find none and open it twice.
  let said: Promise<void> = Promise.resolve();
  return { tell: (reason, severity = 'critical') => (said = said.then(() => say({ reason, severity }))) };
}
