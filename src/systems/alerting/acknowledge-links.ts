import { timingSafeEqual } from 'node:crypto';
import { ACKNOWLEDGE_PATH, type AcknowledgeLinks } from '../../core/acknowledgement.ts';
import type { Alert, Channel, Message } from '../../core/alert.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Vault } from '../../core/vault.ts';

const PURPOSE = 'acknowledge an incident by link';
const VALID_MS = 24 * 3_600_000;
const ASKS_FOR_SOMEBODY: ReadonlySet<Alert['kind']> = new Set(['opened', 'escalated', 'reminder']);
/** A repository may be one that everybody reads. */
const READ_BY_OTHERS: ReadonlySet<string> = new Set(['issue']);
const TOKEN = /^([\w-]{1,100})\.([0-9a-z]{1,12})\.([\w-]{1,300})\.([\w-]{43})$/;

export interface MessageLinks extends AcknowledgeLinks {
  /** The alert with a link of the channel's own, where it asks for somebody and people reach this server. */
  withLink(alert: Alert, channel: Pick<Channel, 'name' | 'kind'>): Message;
}

/** Links that acknowledge one incident until they expire. Nothing of them is kept: the signature says all. */
export function createAcknowledgeLinks({
  vault,
  incidents,
  publicUrl,
  now,
}: {
  readonly vault: Pick<Vault, 'sign'>;
  readonly incidents: Pick<Incidents, 'get'>;
  /** As configured: an address that is good on this machine only would help nobody. */
  readonly publicUrl: () => string | undefined;
  readonly now: () => Date;
}): MessageLinks {
  const signed = (text: string): string => `${text}.${vault.sign(text, PURPOSE)}`;

  return {
    withLink(alert, { name, kind }) {
      const base = publicUrl();
      const { incidentId } = alert;
      if (base === undefined || incidentId === undefined) return alert;
      if (!ASKS_FOR_SOMEBODY.has(alert.kind) || READ_BY_OTHERS.has(kind)) return alert;
      const expiry = Math.floor((now().getTime() + VALID_MS) / 1_000).toString(36);
      const token = signed(`${incidentId}.${expiry}.${Buffer.from(name).toString('base64url')}`);
      return { ...alert, acknowledgeUrl: `${base.replace(/\/$/, '')}${ACKNOWLEDGE_PATH}/${token}` };
    },

    async read(token) {
      const [, id = '', expiry = '', channel = ''] = TOKEN.exec(token) ?? [];
      if (!isSame(token, signed(`${id}.${expiry}.${channel}`))) return undefined;
      if (Number.parseInt(expiry, 36) * 1_000 <= now().getTime()) return undefined;
      const incident = await incidents.get(id);
      if (!incident) return undefined;
      const { title, status, acknowledgedBy } = incident;
      return {
        id,
        title,
        channel: Buffer.from(channel, 'base64url').toString(),
        state: status === 'resolved' ? 'resolved' : acknowledgedBy === undefined ? 'open' : 'acknowledged',
        acknowledgedBy,
      };
    },
  };
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
