/** What is sent to somebody's endpoint, once. */
export interface OutgoingWebhook {
  /** The same whenever it is sent again. */
  readonly id: string;
  readonly body: string;
  readonly url: string;
  /** Each signs: the receiver verifies with the one that it has. */
  readonly secrets: readonly string[];
  readonly token?: string | undefined;
  /** Whether the operator's configuration lets it go to this host although that is on this machine or in a private network. */
  readonly allowPrivate: (url: URL) => boolean;
  readonly signal: AbortSignal;
}

export interface WebhookAnswer {
  readonly status: number;
  /** The beginning of the body, without what looks like a secret. */
  readonly said: string;
  /** How long it asked to be left alone. */
  readonly retryAfterMs?: number | undefined;
}

/** The one way to other people's endpoints. Any status is an answer; throws where there was none, or where the address may not be called. */
export interface WebhookSender {
  send(webhook: OutgoingWebhook): Promise<WebhookAnswer>;
}
