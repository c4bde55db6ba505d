import type { JsonSchema } from './json-schema.ts';

/**
 * What the command line needs of the catalog, as data. A running server sends it, so that a command costs one request
 * more instead of loading every definition, and so that it fits the server that answers.
 */
export interface Manifest {
  readonly operations: readonly CommandDescription[];
  readonly automations: readonly {
    readonly name: string;
    readonly summary: string;
    readonly input: JsonSchema;
    /** Words after `steward`, besides `run <name>`; a server of the version before tells of none. */
    readonly words?: readonly string[] | undefined;
    readonly arguments?: readonly string[] | undefined;
    /** Of several with the same words, the one that is meant where this option says so. */
    readonly when?: { readonly option: string; readonly is: string } | undefined;
  }[];
  /** A server of the version before tells of none. */
  readonly workflows?: readonly {
    readonly name: string;
    readonly aliases: readonly string[];
    readonly summary: string;
  }[];
}

export interface CommandDescription {
  readonly name: string;
  readonly kind: 'query' | 'command';
  readonly summary: string;
  /** Words after `steward`. */
  readonly words: readonly string[];
  readonly arguments: readonly string[];
  readonly columns?: readonly string[] | undefined;
  /** The member that can be read from a file. */
  readonly file?: string | undefined;
  readonly input: JsonSchema;
  /** Answers with a file. */
  readonly download?: boolean | undefined;
  readonly examples: readonly { readonly title: string; readonly input: unknown }[];
}

export const MANIFEST_PATH = '/api/v1/commands';
