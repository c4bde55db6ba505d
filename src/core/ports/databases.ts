/** How a database is reached; the password is resolved right before and kept nowhere. */
export interface DatabaseLogin {
  readonly kind: 'postgres' | 'mysql';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database?: string | undefined;
  readonly password: string;
}

/** One session of a database, as the database knows it. What clients say of themselves is never trusted. */
export interface DatabaseSession {
  /** As the database numbers it, for people. */
  readonly id: string;
  /** Never that of another session, also after its number was given again. */
  readonly identity: string;
  readonly user: string;
  readonly application: string;
  readonly state: 'active' | 'idle' | 'idle-in-transaction';
  /** In this state. */
  readonly stateSeconds: number;
  /** In a transaction that is still open. */
  readonly transactionSeconds: number | undefined;
  /** Ids of the sessions that it waits for. */
  readonly waitsFor: readonly string[];
  /** Of a backup or of replication: nobody ends that on the way. */
  readonly sacred: boolean;
  /** What it did last, shortened. */
  readonly statement: string;
}

/** Databases as targets: who is in them, and how one of them is shown the door. */
export interface DatabasesPort {
  /** Of clients, without the one that asks. */
  sessions(login: DatabaseLogin, signal: AbortSignal): Promise<readonly DatabaseSession[]>;
  connections(login: DatabaseLogin, signal: AbortSignal): Promise<{ readonly limit: number; readonly used: number }>;
  /** Ends this very session; false where it is gone. What it had not committed is rolled back. */
  end(login: DatabaseLogin, identity: string, signal: AbortSignal): Promise<boolean>;
}
