// What the main thread and the gateway's say to each other.
import type { Limits, Route } from '../../../edge/handlers/gateway/routes.ts';
import type { Place } from '../listener.ts';
import type { Followed } from '../thread-keeper.ts';
import type { LeaseAsked, Leased } from './leases.ts';
import type { Located, TargetState, UpstreamSettings } from './upstream.ts';

/** With what it begins. */
export interface ThreadData {
  /** Where the access log is. */
  readonly folder: string;
}

/** By what it serves. */
export interface ServingSettings {
  readonly place: Place;
  /** With their secrets. */
  readonly routes: readonly Route[];
  /** For what no route takes. */
  readonly limits: Limits;
  readonly upstreams: Readonly<Record<string, UpstreamSettings>>;
  readonly trustedProxies: readonly string[];
  /** Until the last byte of a request is there. */
  readonly requestMs: number;
  /** Who is being answered when the gateway moves or stops has so long. */
  readonly drainMs: number;
  /** How many nodes share the store. */
  readonly nodes: number;
  readonly services: Services;
}

/** Where services are, by the names that upstreams have for them. */
export type Services = ReadonlyMap<string, Located>;

export interface Times {
  readonly p50?: number;
  readonly p95?: number;
  readonly p99?: number;
}

export interface RouteServing {
  readonly requests: number;
  readonly refused: number;
  readonly failed: number;
  readonly milliseconds: Times;
}

/** What it did since it began. */
export interface Serving {
  /** By name, and under nothing what no route took. */
  readonly routes: ReadonlyMap<string | undefined, RouteServing>;
  readonly upstreams: readonly { readonly name: string; readonly targets: readonly TargetState[] }[];
  readonly requests: number;
  readonly byStatus: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<string, number>>;
  readonly failures: Readonly<Record<string, number>>;
  readonly milliseconds: Times;
  readonly ownMilliseconds: Times;
  readonly tunnels: number;
  readonly limitsShared: boolean;
  readonly logLinesDropped: number;
}

/** What is asked of the thread, with what it answers. */
export interface Questions {
  settings: { asked: ServingSettings; answer: Followed };
  serving: { asked: null; answer: Serving };
  /** What it knows of requests is in the files of the access log. */
  flush: { asked: null; answer: null };
  tidy: { asked: null; answer: null };
  stop: { asked: null; answer: null };
}

export type NoteToThread =
  | { readonly is: 'services'; readonly services: Services }
  | { readonly is: 'leased'; readonly number: number; readonly leased: readonly Leased[] }
  | { readonly is: 'not-leased'; readonly number: number; readonly reason: string };

export interface NoteFromThread {
  readonly is: 'lease';
  readonly number: number;
  readonly asked: readonly LeaseAsked[];
  readonly leaseMs: number;
}
