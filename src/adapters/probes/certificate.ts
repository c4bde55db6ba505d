import type { PeerCertificate } from 'node:tls';
import type { TargetOf } from '../../core/check.ts';
import { formatDuration, ms } from '../../core/duration.ts';
import { peerText } from './result.ts';

type TlsTarget = TargetOf<'tls'>;

const DAY_MS = 86_400_000;

/**
 * When a certificate should have been renewed: 30 days before its end, or a third of its lifetime where that is less.
 * Of one that lives for less than 10 days, half: a third would leave a day for everything that can go wrong.
 */
export function renewBefore(lifetimeMs: number): number {
  return lifetimeMs < 10 * DAY_MS ? lifetimeMs / 2 : Math.min(30 * DAY_MS, lifetimeMs / 3);
}

export interface Validity {
  readonly from: Date;
  readonly to: Date;
}

export interface Judgement {
  readonly state: 'up' | 'degraded' | 'down';
  readonly message: string;
}

/** What the dates alone say. */
export function judgeValidity(
  { from, to }: Validity,
  { warn, critical }: Pick<TlsTarget, 'warn' | 'critical'>,
  now: Date,
): Judgement {
  const left = to.getTime() - now.getTime();
  const warnMs = warn === undefined ? renewBefore(to.getTime() - from.getTime()) : ms(warn);
  const criticalMs = critical === undefined ? warnMs / 3 : ms(critical);
  if (Number.isNaN(left)) return { state: 'down', message: 'the certificate has no end that can be read' };
  if (left <= 0) return { state: 'down', message: `the certificate expired ${formatDuration(-left)} ago` };
  if (from > now)
    return { state: 'down', message: `the certificate is valid only from ${from.toISOString().slice(0, 16)}Z on` };
  if (left <= criticalMs)
    return { state: 'degraded', message: `critical: the certificate expires in ${formatDuration(left)}` };
  if (left <= warnMs)
    return { state: 'degraded', message: `the certificate expires in ${formatDuration(left)} and is not renewed yet` };
  return { state: 'up', message: `the certificate is valid for ${formatDuration(left)}` };
}

/** The certificates from the server's own up to the last it is known to be signed by. */
export function chainOf(certificate: PeerCertificate): string[] {
  const names: string[] = [];
  const seen = new Set<string>();
  for (
    let current: (PeerCertificate & { issuerCertificate?: PeerCertificate }) | undefined = certificate;
    current && !seen.has(current.fingerprint256) && names.length < 10;
    current = current.issuerCertificate
  ) {
    seen.add(current.fingerprint256);
    names.push(subjectText(current));
  }
  return names;
}

function subjectText({ subject, serialNumber }: PeerCertificate): string {
  const name = [subject?.CN, subject?.O].flat().find((part) => part !== undefined);
  return peerText(name ?? `serial ${serialNumber}`, 100);
}
