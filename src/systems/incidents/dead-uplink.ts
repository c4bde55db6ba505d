import type { StewardEvent } from '../../core/event.ts';
import type { Incident } from '../../core/incident.ts';
import type { ServiceStatus } from '../../core/monitor.ts';
import { failsByUplinkAlone, uplinkFingerprint } from '../../core/places.ts';
import type { SymptomDeps } from './symptom-deps.ts';

/** A dead uplink is known when everything that others look at has failed often enough, which takes longer than one service. */
const SAME_OUTAGE_MS = 600_000;

type UplinkDeps = Pick<SymptomDeps, 'ledger' | 'monitor' | 'node'>;

export interface DeadUplink {
  /** The incident about this node's uplink, where that is what a service is not reached by. */
  explaining(status: ServiceStatus | undefined): Promise<Incident | undefined>;
  /** What was opened before the same outage was understood becomes part of it. */
  adopt(opened: StewardEvent): Promise<void>;
}

export function createDeadUplink({ ledger, monitor, node }: UplinkDeps): DeadUplink {
  const fingerprint = uplinkFingerprint(node.id);

  return {
    async explaining(status) {
      if (!failsByUplinkAlone(status?.checks ?? [])) return undefined;
      const uplink = await ledger.byFingerprint(fingerprint);
      return uplink && uplink.status !== 'resolved' ? uplink : undefined;
    },

    async adopt({ subject, data, at }) {
      if (data['symptom'] !== 'node.uplink') return;
      const uplink = subject && (await ledger.get(subject.id));
      if (uplink?.fingerprint !== fingerprint || uplink.status === 'resolved') return;
      for (const child of await ledger.unresolved()) {
        const isYoung = at.getTime() - child.openedAt.getTime() < SAME_OUTAGE_MS;
        if (
          child.symptom !== 'service.unreachable' ||
          child.status !== 'open' ||
          child.parentId !== undefined ||
          !isYoung
        )
          continue;
        const status = child.resourceId === undefined ? undefined : await monitor.status(child.resourceId);
        if (failsByUplinkAlone(status?.checks ?? []))
          await ledger.attach(child.id, uplink.id, `The uplink of ${node.name} fails, by which it is not reached.`);
      }
    },
  };
}
