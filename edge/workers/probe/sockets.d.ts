/** Of Cloudflare's runtime, as its documentation describes it. */
declare module 'cloudflare:sockets' {
  export interface Socket {
    /** Rejects where nobody accepts the connection. */
    readonly opened: Promise<unknown>;
    /** Rejects with it. */
    readonly closed: Promise<unknown>;
    close(): Promise<void>;
  }
  export function connect(address: { readonly hostname: string; readonly port: number }): Socket;
}
