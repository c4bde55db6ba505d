import type { AuditRecord } from '../../core/audit.ts';
import { networkOf } from '../../core/network.ts';

/** What a record says about who may be up to something. */
export type Sighting =
  | { readonly kind: 'refusal'; readonly subject: string; readonly name: string; readonly least: number }
  | { readonly kind: 'revoked-credential'; readonly subject: string; readonly name: string }
  | { readonly kind: 'lock-out'; readonly subject: string; readonly name: string }
  | { readonly kind: 'address'; readonly subject: string; readonly name: string; readonly network: string };

const REFUSALS = 10;
/** An agent is told what it may do, and does not mistype. */
const REFUSALS_OF_AGENT = 5;

/** Nobody was turned away: what was sent made no sense, or it was the wrong moment. */
const HARMLESS = new Set([
  'INPUT_INVALID',
  'STEWARD_PAUSED',
  'RATE_LIMITED',
  'BUDGET_EXHAUSTED',
  'LOOP_BROKEN',
  'PLAN_STALE',
]);
const OWN = /^(security|audit)\./;

export function sightingsIn(record: AuditRecord): Sighting[] {
  const { action, actor, outcome, from, detail } = record;
  if (OWN.test(action) || actor.kind === 'system') return [];
  const { code, credential } = (detail ?? {}) as { readonly code?: unknown; readonly credential?: unknown };
  const stranger = actor.id === 'unknown';
  const network = origin(from);
  const subject = stranger ? `address:${network ?? from.slice(0, 100)}` : `actor:${actor.id}`;
  const name = stranger ? from.slice(0, 100) : actor.name;
  const found: Sighting[] = [];
  if (credential === 'revoked') found.push({ kind: 'revoked-credential', subject, name });
  if (action === 'login.locked-out') found.push({ kind: 'lock-out', subject, name });
  if (outcome === 'refused' && !(typeof code === 'string' && HARMLESS.has(code)))
    found.push({ kind: 'refusal', subject, name, least: actor.role === 'agent' ? REFUSALS_OF_AGENT : REFUSALS });
  if (actor.kind === 'token' && outcome !== 'refused' && network !== undefined)
    found.push({ kind: 'address', subject, name, network });
  return found;
}

/** Where somebody comes from; undefined for what is no address: the machine itself, or a part of Steward. */
function origin(from: string): string | undefined {
  const network = networkOf(from);
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(network)) return network.startsWith('127.') ? undefined : network;
  const bare = from.split('%')[0] ?? '';
  return /^[\da-f:]+$/i.test(bare) && bare.includes(':') && bare !== '::1' ? network : undefined;
}
