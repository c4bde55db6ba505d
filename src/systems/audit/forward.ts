import type { AuditFollower, AuditRecord } from '../../core/audit.ts';
import { canonicalJson } from '../../core/json.ts';
import type { SyslogMessage, SyslogPeer } from '../../core/syslog.ts';

/** What receivers take whole, with its header. */
const LONGEST_TEXT = 6_500;
/** What a message can do without; the record in the store has it. */
const DISPENSABLE = ['before', 'after', 'detail'] as const;

const SEVERITIES = { allowed: 'notice', succeeded: 'notice', refused: 'warning', failed: 'error' } as const;

export const forwardFollower = (address: string): string => `forward:${address}`;

/** Sends every record to a syslog server, in order, at least once: what it did not take is sent again. */
export function forwardTo(peer: SyslogPeer): AuditFollower {
  return {
    name: forwardFollower(peer.address),
    handle: (records, signal) => peer.send(records.map(messageOf), signal),
  };
}

/** The record as a message: whole as JSON, and what identifies it as structured data. */
export function messageOf(record: AuditRecord): SyslogMessage {
  const { chain, seq, at, hash, ...entry } = record;
  const data: Record<string, string | undefined> = {
    chain,
    seq: String(seq),
    hash,
    action: entry.action,
    outcome: entry.outcome,
    actor: entry.actor.name,
    actorId: entry.actor.id,
    role: entry.actor.role,
    onBehalfOf: entry.actor.onBehalfOf,
    from: entry.from,
    subject: entry.subject && `${entry.subject.kind}:${entry.subject.id}`,
    requestId: entry.requestId,
  };
  return {
    at,
    severity: entry.action === 'security.anomaly' ? 'critical' : SEVERITIES[entry.outcome],
    host: entry.node ?? '-',
    id: entry.action,
    data: Object.fromEntries(
      Object.entries(data).flatMap(([name, value]) => (value === undefined ? [] : [[name, value.slice(0, 200)]])),
    ),
    text: shortened(entry),
  };
}

function shortened(entry: Omit<AuditRecord, 'chain' | 'seq' | 'at' | 'hash'>): string {
  const rest: Record<string, unknown> = { ...entry };
  const left: string[] = [];
  for (const member of DISPENSABLE) {
    const text = canonicalJson(rest);
    if (Buffer.byteLength(text) <= LONGEST_TEXT) return text;
    if (!(member in rest)) continue;
    delete rest[member];
    left.push(member);
    rest['leftOut'] = left;
  }
  return canonicalJson(rest);
}
