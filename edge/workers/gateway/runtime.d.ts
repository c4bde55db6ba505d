/** Of Cloudflare's runtime, as its documentation describes it. */
declare module 'cloudflare:workers' {
  export class DurableObject<Storage> {
    constructor(ctx: { readonly storage: Storage }, env: unknown);
    protected readonly ctx: { readonly storage: Storage };
  }
}
