import type { Catalog } from '../../core/catalog.ts';
import type { Manifest } from '../manifest.ts';
import type { Terminal } from './terminal.ts';

/** A command that needs no server: serve, doctor, config validate, service install. */
export interface LocalCommand {
  /** After `steward`. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly arguments?: readonly { readonly name: string; readonly summary: string; readonly required?: boolean }[];
  readonly options?: readonly { readonly flags: string; readonly summary: string; readonly default?: string }[];
  /** What it gives back is printed like any answer; what it throws decides the exit code. */
  run(call: {
    readonly arguments: readonly (string | undefined)[];
    readonly options: Readonly<Record<string, unknown>>;
    readonly json: boolean;
  }): Promise<unknown>;
}

/** What an operation's command does on this machine where one option more is given. */
export interface Instead {
  /** The option that makes the difference, by its name among the options. */
  readonly when: string;
  readonly options: readonly { readonly flags: string; readonly summary: string }[];
  run(options: Readonly<Record<string, unknown>>): Promise<unknown>;
}

export interface CliOptions {
  /** What this version can do, as data; asked for where no server says what it can. */
  readonly described: () => Promise<Manifest>;
  /** Loads the definitions, and starts nothing. Asked for where something of `offline` is done. */
  readonly catalogOf: () => Promise<Catalog>;
  /** What operations can do without a server, by the operation's name. */
  readonly offline: Readonly<Record<string, (input: Record<string, unknown>) => Promise<unknown>>>;
  /** By the operation's name. */
  readonly instead?: Readonly<Record<string, Instead>>;
  readonly local: readonly LocalCommand[];
  /** STEWARD_HOME, where a running server announces itself. */
  readonly home: string;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  /** Asks whoever sits at the terminal; absent where nobody does. What is hidden is not shown while it is typed. */
  readonly prompt?: ((question: string, options?: { readonly hidden?: boolean }) => Promise<string>) | undefined;
  /** All that is piped in. */
  readonly stdin?: (() => Promise<string>) | undefined;
}
