import { type AddressRange, addressRange } from '../addresses.ts';
import type { Digests, SecretKey } from '../digests.ts';
import { type Headers, type PresetName, presetOf } from './presets.ts';

/** One kind of webhook, as an operator describes it. */
export interface HookType {
  readonly preset: PresetName;
  /** All of them are good: during a rotation the old one and the new one. */
  readonly secrets: readonly string[];
  /** One of them, or the schema, cannot be read now: who is refused for it may be good. */
  readonly incomplete?: boolean;
  readonly maxBytes: number;
  /** How far the sender's clock may be from ours, where it signs the time. */
  readonly toleranceSeconds: number;
  /** Addresses and ranges that may send; nothing means everybody. */
  readonly allowFrom?: readonly string[];
  /** body: what was sent once counts as a repeat when it is sent again, whatever the sender calls it. */
  readonly repeats: 'id' | 'body';
  /** At most so many in any span of that length. */
  readonly limit?: { readonly requests: number; readonly perMs: number };
  /** Where it says what it is about: those about the same are told one after the other. */
  readonly key?: KeyPlace;
  /** JSON Schema, and what becomes of what does not fit: refused, or kept as dead. */
  readonly schema?: { readonly is: SchemaText; readonly mismatch: 'refuse' | 'dead' };
}

export type KeyPlace = { readonly header: string } | { readonly path: string };
export type SchemaText = boolean | { readonly [member: string]: unknown };
/** What is wrong with it; nothing where it fits. */
export type Check = (data: unknown) => string | undefined;

/** A type whose secrets and addresses were read once, for many requests. */
export interface ReadyType {
  readonly type: HookType;
  readonly secrets: readonly ReadySecret[];
  readonly allowFrom: readonly AddressRange[] | undefined;
  readonly check: Check | undefined;
}

export interface ReadySecret {
  readonly key: SecretKey;
  /** Where the secret stands itself in a header: what stands there. */
  readonly token: (headers: Headers) => string | undefined;
}

/** The check is of the schema of the type, made by whoever has the means to. */
export function readyType(type: HookType, digests: Digests, check?: Check): ReadyType {
  const preset = presetOf(type.preset);
  return {
    type,
    check,
    secrets: type.secrets.flatMap((secret) => {
      const bytes = preset.secret(secret);
      // Everybody can sign with nothing.
      if (bytes.length === 0) return [];
      return [{ key: digests.key(bytes), token: (headers) => preset.token?.(secret, headers) }];
    }),
    // A range that cannot be read covers nobody, rather than everybody.
    allowFrom: type.allowFrom?.map(addressRange).filter((range) => range !== undefined),
  };
}
