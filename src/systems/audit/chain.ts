import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { AuditEntry } from '../../core/audit.ts';
import { canonicalJson, type JsonObject } from '../../core/json.ts';
import { redact } from '../../core/redact.ts';
import { storableText } from '../../core/storable-text.ts';

/** What the first record of a chain points back to. */
export const GENESIS = '0'.repeat(64);

export interface ChainedRecord {
  readonly seq: number;
  readonly at: Date;
  readonly entry: string;
  readonly prevHash: string;
  readonly hash: string;
}

export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** Each key has a chain of its own, so nodes on one database never wait for each other and a lost key ends one chain only. */
export function chainOf(key: Buffer): string {
  return createHash('sha256').update('steward audit chain').update(key).digest('hex').slice(0, 16);
}

export function recordHash(key: Buffer, record: Omit<ChainedRecord, 'hash'>): string {
  return mac(key, 'record', record.prevHash, String(record.seq), record.at.toISOString(), record.entry);
}

/** Proves that whoever wrote down a position of the chain had its key. */
export function headMac(key: Buffer, head: Head): string {
  return mac(key, 'head', String(head.seq), head.hash);
}

export function sameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** The record that follows `head`. */
export function nextRecord(key: Buffer, head: Head, at: Date, entry: string): ChainedRecord {
  const open = { seq: head.seq + 1, at, entry, prevHash: head.hash };
  return { ...open, hash: recordHash(key, open) };
}

/**
 * The entry as it is stored: without secrets, in one spelling, and only of characters that PostgreSQL can read back. Who it was
 * stays: an identity is called token:ID, and that looks like a secret to whoever looks for some.
 */
export function entryText(entry: AuditEntry): string {
  const json = JSON.parse(JSON.stringify(entry)) as JsonObject & Pick<AuditEntry, 'actor' | 'subject'>;
  const { actor, subject } = json;
  const cleaned = {
    ...redact(json),
    actor: { ...redact(actor as unknown as JsonObject), id: actor.id },
    ...(subject?.kind === 'actor' && { subject: { ...subject } }),
  };
  return canonicalJson(readable(cleaned));
}

function readable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(readable);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [readable(name), readable(member)]));
}

function mac(key: Buffer, ...parts: string[]): string {
  const hmac = createHmac('sha256', key);
  // Lengths keep ('ab', 'c') apart from ('a', 'bc').
  for (const part of parts) hmac.update(`${Buffer.byteLength(part)}:`).update(part);
  return hmac.digest('hex');
}
