import type { AnomalyKind } from '../../core/anomaly/judge.ts';
import { formatDuration } from '../../core/duration.ts';
import { type Incident, type Incidents, type NewIncident, Severity } from '../../core/incident.ts';
import type { Judged } from './watch.ts';

const UNUSUAL = 'metrics.unusual';
const SILENT = 'metrics.silent';
type Symptom = typeof UNUSUAL | typeof SILENT;

/** What is over has to stay so for this long. */
const CALM_MS = 30 * 60_000;
/** How much more than usual is a warning at once; a new level or a drift is one whatever it is. */
const MUCH = 2;
const RANKS = Severity.options;

const SAID: Readonly<Record<AnomalyKind, string>> = {
  spike: 'is far above what is usual',
  'level-shift': 'has been above what is usual for hours',
  drift: 'has been growing for days',
  stopped: 'is not measured any more',
  frozen: 'has not changed at all for a while',
  fallen: 'fell to next to nothing',
};

export interface TellDeps {
  readonly incidents: Pick<Incidents, 'open' | 'resolve' | 'unresolved'>;
  readonly node: { readonly id: string; readonly name: string };
  /** Whether somebody works on it: nothing is opened then. */
  readonly isWorkedOn: (judged: Judged) => Promise<boolean>;
  /** Whether its silence says anything: what is stopped on purpose, or down, gives no answers. */
  readonly shouldBeHeard: (judged: Judged) => boolean;
  /** Once for each time that something begins. */
  readonly began: (judged: Judged, incident: NewIncident) => Promise<void>;
}

/** Turns what is judged into incidents: one for each thing and symptom, which is over when it was calm for half an hour. */
export function createTeller(deps: TellDeps) {
  const calmSince = new Map<string, number>();

  async function settleOpen(open: readonly Incident[], judged: ReadonlyMap<string, Judged>, now: Date): Promise<void> {
    for (const { id, fingerprint, symptom } of open) {
      const one = judged.get(fingerprint);
      const kind = one?.kind;
      const isStill =
        one && kind !== undefined && symptomOf(kind) === symptom && (symptom === UNUSUAL || deps.shouldBeHeard(one));
      // Who cannot be compared any more, is gone or has another symptom cannot keep this one open.
      const isCalm = !one || one.state === 'not-enough-history' || one.calm || kind !== undefined;
      if (isStill || !isCalm) {
        calmSince.delete(id);
        continue;
      }
      const since = calmSince.get(id) ?? now.getTime();
      calmSince.set(id, since);
      if (now.getTime() - since < CALM_MS) continue;
      calmSince.delete(id);
      await deps.incidents.resolve(
        id,
        one ? `It has been as usual for ${formatDuration(CALM_MS)}.` : 'It is not measured any more.',
      );
    }
  }

  return async function tell(all: readonly Judged[], now: Date): Promise<void> {
    const { incidents, node } = deps;
    const own = `:${node.id}:`;
    const open = (await incidents.unresolved()).filter(
      ({ symptom, fingerprint }) => (symptom === UNUSUAL || symptom === SILENT) && fingerprint.includes(own),
    );
    const byFingerprint = new Map(
      all.flatMap((one) => [UNUSUAL, SILENT].map((symptom) => [fingerprintOf(symptom, one, node.id), one] as const)),
    );
    await settleOpen(open, byFingerprint, now);
    for (const one of all) {
      if (one.kind === undefined || (await deps.isWorkedOn(one))) continue;
      const incident = incidentOf(one, one.kind, node);
      if (incident.symptom === SILENT && !deps.shouldBeHeard(one)) continue;
      const known = open.find(({ fingerprint }) => fingerprint === incident.fingerprint);
      if (!known) {
        await incidents.open(incident);
        await deps.began(one, incident);
      } else if (RANKS.indexOf(incident.severity) > RANKS.indexOf(known.severity)) await incidents.open(incident);
    }
  };
}

function fingerprintOf(symptom: string, { metric, key }: Pick<Judged, 'metric' | 'key'>, node: string): string {
  return `${symptom}:${node}:${metric}:${key}`;
}

function symptomOf(kind: AnomalyKind): Symptom {
  return kind === 'stopped' || kind === 'frozen' || kind === 'fallen' ? SILENT : UNUSUAL;
}

function incidentOf(judged: Judged, kind: AnomalyKind, node: TellDeps['node']): NewIncident {
  const { metric, subject, unit, value, usual, resourceId } = judged;
  const symptom = symptomOf(kind);
  const times = value !== undefined && usual !== undefined && usual > 0 ? value / usual : undefined;
  const figures =
    kind === 'stopped' || value === undefined || usual === undefined
      ? ''
      : `: ${rounded(value)} ${unit}, and ${rounded(usual)} is usual at this hour of the week`;
  return {
    fingerprint: fingerprintOf(symptom, judged, node.id),
    resourceId,
    title: `${metric} of ${subject === 'machine' ? node.name : subject} ${SAID[kind]}${figures}`,
    symptom,
    severity: kind === 'spike' && (times ?? MUCH) < MUCH ? 'info' : 'warning',
    evidence: {
      metric,
      subject,
      kind,
      unit,
      ...(value !== undefined && { value: rounded(value) }),
      ...(usual !== undefined && { usual: rounded(usual) }),
      ...(times !== undefined && { times: rounded(times) }),
    },
  };
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
