import { sql } from 'kysely';
import type { GatewayDb } from './tables.ts';

/** Of one count: what is wanted of it, and what there is to tell of it. */
export interface LeaseAsked {
  readonly key: string;
  readonly windowMs: number;
  readonly limit: number;
  readonly want: number;
  /** Let through while the store was away. */
  readonly debt: number;
  /** Leased and not used. */
  readonly back: { readonly bucket: number; readonly left: number } | undefined;
}

export interface Leased {
  readonly granted: number;
  /** As the store says, what was granted included. */
  readonly used: number;
  readonly bucket: number;
  readonly resetMs: number;
}

/** Asks for some at once; an answer for each of them, in their order. */
export type LeaseMore = (asked: readonly LeaseAsked[], leaseMs: number) => Promise<readonly Leased[]>;

/** Permits from the store, by one statement. */
export function leaseFrom(db: GatewayDb): LeaseMore {
  return async (asked, leaseMs) => {
    const { rows } = await sql<Leased>`select granted, used, bucket, reset_ms as "resetMs" from gateway_lease(
      ${asked.map(({ key }) => key)}::text[], ${asked.map(({ windowMs }) => windowMs)}::integer[],
      ${asked.map(({ limit }) => limit)}::integer[], ${asked.map(({ want }) => want)}::integer[],
      ${asked.map(({ debt }) => debt)}::integer[], ${asked.map(({ back }) => back?.bucket ?? -1)}::bigint[],
      ${asked.map(({ back }) => back?.left ?? 0)}::integer[], ${leaseMs}::integer)`.execute(db);
    return rows;
  };
}
