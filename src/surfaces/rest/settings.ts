export interface RestSettings {
  readonly host: string;
  readonly port: number;
  /** The address people use, where a proxy stands in front. */
  readonly publicUrl?: string | undefined;
  readonly trustedProxies?: readonly string[] | undefined;
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Origins whose pages may call the API with a token; none by default. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Requests a minute and credential. */
  readonly requestsPerMinute?: number | undefined;
}
