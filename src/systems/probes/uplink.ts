import type { Check } from '../../core/check.ts';
import { ms } from '../../core/duration.ts';
import type { Incidents } from '../../core/incident.ts';
import { uplinkFingerprint } from '../../core/places.ts';
import { isNameFailure, type Quorum, type Sighting } from '../../../edge/handlers/probe/quorum.ts';

interface UplinkDeps {
  readonly incidents: Pick<Incidents, 'open' | 'resolve' | 'byFingerprint'>;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
}

interface Seen {
  /** Looks in a row at which it failed here, while somewhere else it was reached and nowhere else it failed. */
  readonly alone: number;
  readonly failures: number;
  readonly until: number;
  readonly places: readonly string[];
}

export interface Uplink {
  /** What came of a look of this node. */
  note(check: Check, own: Sighting, quorum: Quorum): void;
  /** Compares the incident about the uplink with what was seen. */
  settle(): Promise<void>;
}

/** A check that is not looked at for so many intervals is none of this node's any more. */
const INTERVALS = 3;
const SLACK_MS = 60_000;

/** Where everything that others reach fails here, no service is to blame, and none would tell of it: others show that they are up. */
export function createUplink({ incidents, node, now }: UplinkDeps): Uplink {
  const checks = new Map<string, Seen>();
  const startedAt = now().getTime();

  return {
    note({ id, every, failures }, own, { down, up, way }) {
      const at = now().getTime();
      const fails = own.state === 'down' || isNameFailure(own);
      const elsewhere = down.some(({ here }) => !here);
      const reaching = up.filter(({ here }) => !here).map(({ place }) => place);
      const before = checks.get(id);
      // Where nobody else has a say and nothing is known of the way out, nothing is learned of who is to blame.
      const isKnown = reaching.length > 0 || way === 'broken';
      const isSound = reaching.length === 0 && way === 'open';
      const alone = !fails || elsewhere || isSound ? 0 : (before?.alone ?? 0) + (isKnown ? 1 : 0);
      const places = reaching.length > 0 ? reaching : (before?.places ?? []);
      checks.set(id, { alone, failures, until: at + INTERVALS * ms(every) + SLACK_MS, places });
    },

    async settle() {
      const at = now().getTime();
      for (const [id, { until }] of checks) if (until < at) checks.delete(id);
      const all = [...checks.values()];
      const incident = await incidents.byFingerprint(uplinkFingerprint(node.id));
      const isOpen = incident !== undefined && incident.status !== 'resolved';
      if (isOpen && all.some(({ alone }) => alone === 0))
        await incidents.resolve(incident.id, 'What others reach is reached from here again, or fails elsewhere, too.');
      else if (isOpen && all.length === 0 && at - startedAt > 10 * SLACK_MS)
        await incidents.resolve(incident.id, 'Nothing that others look at is looked at from here any more.');
      else if (!isOpen && all.length > 0 && all.every(({ alone, failures }) => alone >= failures)) {
        const places = [...new Set(all.flatMap((seen) => seen.places))].toSorted();
        await incidents.open({
          fingerprint: uplinkFingerprint(node.id),
          title:
            places.length > 0
              ? `The uplink of ${node.name}: what others look at, too, fails from here alone (${places.join(', ')} reach it)`
              : `The uplink of ${node.name}: none of its reference points answers from here`,
          symptom: 'node.uplink',
          severity: 'critical',
          evidence: { node: node.name, checks: all.length, reachedFrom: places },
        });
      }
    },
  };
}
