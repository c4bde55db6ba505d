/** A message of RFC 5424, without its spelling. */
export interface SyslogMessage {
  readonly at: Date;
  readonly severity: 'critical' | 'error' | 'warning' | 'notice' | 'info';
  /** Who says it: a node. */
  readonly host: string;
  /** What kind of message: at most 32 printable characters are sent. */
  readonly id: string;
  readonly data: Readonly<Record<string, string>>;
  readonly text: string;
}

/** A syslog server. */
export interface SyslogPeer {
  /** Where it is, without secrets: tcp://logs.example.org:601. */
  readonly address: string;
  /** Resolves when the peer took them all, as far as its transport can tell; rejects where it may have taken none. */
  send(messages: readonly SyslogMessage[], signal: AbortSignal): Promise<void>;
}
