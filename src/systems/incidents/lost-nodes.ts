import type { EventType, StewardEvent } from '../../core/event.ts';
import type { Ledger } from './ledger.ts';

export const NODE_EVENTS: readonly EventType[] = ['node.lost', 'node.returned', 'node.left'];

/** A machine that fell silent is a problem of its own: nobody probes or heals what runs there. */
export function createLostNodes({ ledger, node }: { ledger: Ledger; node: { readonly id: string } }) {
  return async ({ type, subject, data, node: teller }: StewardEvent): Promise<void> => {
    // Whoever declared it lost tells of it, and it tells itself that it is back.
    if (!subject || teller !== node.id) return;
    const fingerprint = `node.lost:${subject.id}`;
    const name = typeof data['name'] === 'string' ? data['name'] : subject.id;
    if (type === 'node.lost') {
      await ledger.open({
        fingerprint,
        title: `The node ${name} is silent: what runs on it is neither watched nor healed`,
        symptom: 'node.lost',
        severity: 'critical',
        evidence: { node: subject.id, name, noticedBy: node.id },
      });
      return;
    }
    const incident = await ledger.byFingerprint(fingerprint);
    if (!incident || incident.status === 'resolved') return;
    await ledger.resolve(
      incident.id,
      type === 'node.returned'
        ? `${name} is heard again.`
        : data['removed'] === true
          ? `${name} was removed.`
          : `${name} was stopped.`,
    );
  };
}
