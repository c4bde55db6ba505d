import { z } from 'zod';
import type { Actor, Permission, Trigger } from './actor.ts';
import type { Json } from './json.ts';

export interface Call {
  readonly actor: Actor;
  readonly now: Date;
  /** Where the call came from, for the audit: an address, 'local', 'system'. */
  readonly from: string;
  readonly requestId: string;
  /** What a run that comes of it was started by; told by surfaces that know better than `from`. */
  readonly trigger?: Trigger | undefined;
  /** Of the page that it came from, as the browser knows it: https://steward.example.org. */
  readonly origin?: string | undefined;
}

interface DescribedOperation<Input extends z.ZodObject, Output extends z.ZodType> {
  /** Kebab-case, permanent. */
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly permission: Permission;
  readonly input: Input;
  readonly output: Output;
  readonly examples?: readonly { readonly title: string; readonly input: z.input<Input> }[];
  /** Other addresses than the derived one, `{id}` for members of the input: /api/v1/automation/status. */
  readonly paths?: readonly string[];
  /** Words after `steward`; by default the name. */
  readonly cli?: readonly string[];
  /** Members of the input that are positional arguments of the command. */
  readonly cliArguments?: readonly string[];
  /** The text of the input that the command also reads from a file, or from what is piped in. */
  readonly cliFile?: string;
  /** Columns that the command prints as a table. */
  readonly columns?: readonly string[];
  /** Under which AI assistants are shown it; by default what brings it: incidents, discovery. */
  readonly toolset?: string;
  handle(input: z.output<Input>, call: Call): Promise<z.input<Output>>;
}

/** Reads Steward's own state. REST: GET /api/v1/<name>. */
export interface Query<Input extends z.ZodObject, Output extends z.ZodType> extends DescribedOperation<Input, Output> {
  readonly kind: 'query';
  /** Its answer as a file, for surfaces that can stream one; others give what `handle` answers. */
  readonly download?: {
    /** Media types that it may have. */
    readonly types: readonly string[];
    open(input: z.output<Input>, call: Call): Promise<Download>;
  };
}

/** A file that is made while it is read. */
export interface Download {
  readonly fileName: string;
  /** A browser opens it instead of saving it, shut in: no script of it runs, and it asks for nothing. */
  readonly opens?: boolean;
  readonly contentType: string;
  readonly chunks: AsyncIterable<string>;
}

/** Changes Steward's own state. REST: POST /api/v1/<name>. Always audited. */
export interface Command<Input extends z.ZodObject, Output extends z.ZodType> extends DescribedOperation<
  Input,
  Output
> {
  readonly kind: 'command';
  /** A person's signed-in session is required; no bearer credential is enough. */
  readonly personOnly?: boolean;
  /** As `personOnly`, and the CLI on the machine itself does as well: who holds the machine has other ways to the same end. */
  readonly personOrMachine?: boolean;
  /** Refused to agents, whatever their role may do otherwise: it would decide in place of a person, or hand out what they have. */
  readonly noAgents?: boolean;
  /** What it is about to change, as it stands: looked at before and after, and both are in the record. Without secrets. */
  state?(input: z.output<Input>, call: Call): Promise<Json | undefined>;
}

// oxlint-disable-next-line typescript/no-explicit-any
export type AnyOperation = Query<any, any> | Command<any, any>;

export function defineQuery<Input extends z.ZodObject, Output extends z.ZodType>(
  definition: Omit<Query<Input, Output>, 'kind'>,
): Query<Input, Output> {
  return { kind: 'query', ...definition };
}

export function defineCommand<Input extends z.ZodObject, Output extends z.ZodType>(
  definition: Omit<Command<Input, Output>, 'kind'>,
): Command<Input, Output> {
  return { kind: 'command', ...definition };
}

/** The operations as they are, shown to AI assistants under this name where they do not say another. */
export function inToolset(toolset: string, operations: readonly AnyOperation[]): AnyOperation[] {
  return operations.map((operation) => ({ toolset, ...operation }));
}

export const NoInput = z.object({});

/** How lists are asked for. */
export const PageInput = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100).describe('At most this many rows.'),
  cursor: z.string().max(500).optional().describe('Where the last page ended: its `next`.'),
});

export interface Page<T> {
  readonly items: T[];
  /** Absent on the last page. */
  readonly next?: string | undefined;
}

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}
