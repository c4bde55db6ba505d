/** What is asked over HTTP, as a check says it; what needs more than web standards is not among it. */
export interface HttpTarget {
  readonly kind: 'http';
  readonly url: string;
  readonly method?: string | undefined;
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly expectStatus: readonly number[];
  readonly acceptAnyBelow?: number | undefined;
  readonly expectBody?: string | undefined;
  readonly expectNoBody?: string | undefined;
  readonly expectMatch?: string | undefined;
  readonly expectHeaders?: Readonly<Record<string, string>> | undefined;
  readonly followRedirects?: boolean | undefined;
}
