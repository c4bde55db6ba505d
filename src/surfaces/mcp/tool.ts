import type { InputRequiredResult } from '@modelcontextprotocol/server';
import type { Permission } from '../../core/actor.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Call } from '../../core/operation.ts';
import type { JsonSchema } from '../json-schema.ts';

/** The four hints of the protocol. They tell; what keeps is on the server. */
export interface Hints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

/** One request of one client, with all that a tool may know of it. */
export interface ToolCall {
  readonly call: Call;
  readonly readOnly: boolean;
  /** Aborted when the client gives up waiting; a run goes on. */
  readonly signal: AbortSignal;
  /** Tells a client that asked for it how far the work is. */
  readonly progress: ((message: string) => Promise<void>) | undefined;
  /** Where the person in front of the client can be asked: what was answered, in a second round. */
  readonly person: Person | undefined;
}

/** Whoever sits before the client. What they say is a convenience of that client, and no approval. */
export interface Person {
  /** What came of the question; undefined in the first round. Comes from the client, state included. */
  readonly answer: { readonly state: string; readonly said: 'yes' | 'no' | 'nothing' } | undefined;
  ask(question: { readonly message: string; readonly state: string }): InputRequiredResult;
}

export interface ResourceLink {
  readonly uri: string;
  readonly name: string;
  readonly description?: string;
}

export interface ToolAnswer {
  /** Valid against the tool's output schema. */
  readonly structured: JsonObject;
  readonly links?: readonly ResourceLink[];
  /** The run that came of it, for the record. */
  readonly runId?: string | undefined;
}

export interface McpTool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly toolset: string;
  readonly hints: Hints;
  /** What its caller must be allowed; whoever is not does not see it. */
  readonly permission: Permission;
  /** What the scope of a token names: the automation or operation behind it, where it is one. */
  readonly about?: string;
  /** Changes something, Steward's own state included; not there for a client that only reads. */
  readonly writes: boolean;
  input(readOnly: boolean): JsonSchema;
  output(): JsonSchema;
  handle(args: Readonly<Record<string, unknown>>, call: ToolCall): Promise<ToolAnswer | InputRequiredResult>;
}

export const READING: Hints = {
  readOnlyHint: true,
  destructiveHint: false,
  idempotentHint: true,
  openWorldHint: false,
};
