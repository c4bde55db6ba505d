import type { Check, CheckKind, ProbeResult, ServiceState } from './check.ts';
import type { HealthcheckAnswer, PlaceJoined, PlaceReportAnswer } from './place-messages.ts';

/** Kinds that can be asked from anywhere. */
export const PLACE_KINDS: ReadonlySet<CheckKind> = new Set<CheckKind>(['http', 'tcp', 'dns', 'tls']);

/** What all the places together say of a check that several look at. */
export interface PlaceVotes {
  judge(check: Check, seenHere: ProbeResult): Promise<ProbeResult>;
}

/** What a check of several places says of the way to it, under this name in the details of its results. */
export const PATH_DETAIL = 'path';

/** Of the incident about a node which does not reach what others reach. */
export const uplinkFingerprint = (nodeId: string): string => `node.uplink:${nodeId}`;

interface Failing {
  readonly state: ServiceState;
  readonly last?: ProbeResult | undefined;
}

/** It fails on the way, or too few can say that it fails where it runs: there is nothing here that may be healed. */
export function failsElsewhere(checks: readonly Failing[]): boolean {
  return failsBy(checks, ['dns', 'uplink', 'region', 'unsure']);
}

/** Its name cannot be found anywhere: no machine of the user is to blame, so nobody is called for it. */
export function failsByNameAlone(checks: readonly Failing[]): boolean {
  return failsBy(checks, ['dns']);
}

/** The uplink of a node explains it, if that is known to fail. */
export function failsByUplinkAlone(checks: readonly Failing[]): boolean {
  return failsBy(checks, ['uplink']);
}

function failsBy(checks: readonly Failing[], paths: readonly unknown[]): boolean {
  const failing = checks.filter(({ state }) => state === 'down');
  return failing.length > 0 && failing.every(({ last }) => paths.includes(last?.detail[PATH_DETAIL]));
}

/** Takes what places say, for the surface that hears it. A token of theirs is of use here and nowhere else. */
export interface PlaceReceiver {
  /** An invitation is given once, for the hash of a token that the place made itself. */
  join(request: {
    readonly invitation: string;
    readonly tokenHash: string;
    readonly from: string;
  }): Promise<PlaceJoined>;
  report(token: string, report: unknown, from: string): Promise<PlaceReportAnswer>;
  /** The same for scripts that know nothing of Steward but this. */
  healthcheck(token: string, results: unknown, from: string): Promise<HealthcheckAnswer>;
}
