export interface Listener {
  readonly protocol: 'tcp' | 'udp' | 'unix';
  readonly address: string;
  readonly port: number;
  /** Processes that hold the socket; empty where this user may not see them. */
  readonly pids: readonly number[];
  readonly uid: number;
  /** Network namespace other than Steward's own: the container it belongs to. */
  readonly container?: string | undefined;
}

/** One established connection, seen from the side that this machine hosts. */
export interface Connection {
  readonly local: { readonly address: string; readonly port: number };
  readonly remote: { readonly address: string; readonly port: number };
  readonly pids: readonly number[];
  readonly container?: string | undefined;
}

export interface SocketsLook {
  /** For those who look often: other network namespaces, and which processes hold a socket that was there before, may be as of a minute ago. */
  readonly recent?: boolean | undefined;
}

export interface SocketsPort {
  listeners(look?: SocketsLook): Promise<Listener[]>;
  connections(look?: SocketsLook): Promise<Connection[]>;
}
