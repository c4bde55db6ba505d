/** Of Cloudflare's runtime, as its documentation describes it. */
declare module 'cloudflare:workers' {
  /** Of the request that is being served. */
  export function waitUntil(work: Promise<unknown>): void;
  export class DurableObject<Storage> {
    constructor(ctx: { readonly storage: Storage }, env: unknown);
    protected readonly ctx: { readonly storage: Storage };
  }
}
