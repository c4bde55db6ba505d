import type { Edge, Resource, ResourceKind } from './resource.ts';

export interface ResourceQuery {
  readonly ids?: readonly string[] | undefined;
  readonly kind?: ResourceKind | undefined;
  readonly node?: string | undefined;
  readonly state?: 'present' | 'gone' | 'all' | undefined;
  readonly product?: string | undefined;
}

/** What Steward knows, for reading. Automations and systems see it through this port only. */
export interface Inventory {
  get(id: string): Promise<Resource | undefined>;
  /** By id, exact name, or identity; two with one name is a CONFLICT that lists them. */
  resolve(reference: string): Promise<Resource | undefined>;
  find(query?: ResourceQuery): Promise<Resource[]>;
  edges(): Promise<Edge[]>;
  /** What this resource needs, nearest first. */
  dependenciesOf(id: string): Promise<Resource[]>;
  /** Everything that stops working with it: the blast radius. */
  dependentsOf(id: string): Promise<Resource[]>;
}
