import type { z } from 'zod';
import type { Actor, Trigger } from './actor.ts';
import type { ArtifactReference } from './artifact.ts';
import type { SecretReference } from './secrets.ts';
import type { DurationText } from './duration.ts';
import type { Inventory } from './inventory.ts';
import type { JsonObject } from './json.ts';
import type { Log } from './log.ts';
import { lookingPorts } from './port-reads.ts';
import type { PortName, Ports } from './ports.ts';
import type { Resource } from './resource.ts';
import type { Change, CheckStatement, Progress } from './run.ts';

/** The families of operations. Each has a view of its runs: health_operations, healing_operations and so on. */
export const CATEGORIES = [
  'health',
  'healing',
  'backup',
  'database',
  'deploy',
  'certificates',
  'logs',
  'security',
  'updates',
  'maintenance',
  'documentation',
  'integration',
] as const;
export type Category = (typeof CATEGORIES)[number];

/**
 * How long a run may work, planning and applying each: what waits for a lock or a person is not counted. What `long` is can be
 * set (`limits.long`).
 */
export const RUN_LIMITS = { template: '30s', default: '5m', verification: '5m', long: '1h' } as const;
export type RunLimit = keyof typeof RUN_LIMITS;

export interface Safeguards {
  /** Of the whole run; `default` where it is left out. */
  readonly limit?: RunLimit;
  /** `change`: each change has that time for itself, because how many there are says nothing of how long one may take. */
  readonly limitOf?: 'run' | 'change';
  /** Longest time of one step: one phase, or the execution of one change. What is as long as the limit is as long as what was set for it. */
  readonly timeout: DurationText;
  /** Tries of a step whose error can get better by itself, the first one included. */
  readonly retry: { readonly attempts: number; readonly backoff: DurationText };
}

/** What every phase is given. Time, the outside world and waiting come from here and nowhere else. */
export interface Context<Input, Needs extends PortName> {
  readonly input: Input;
  readonly ports: Pick<Ports, Needs>;
  /** Aborted by cancel, deadline and the loss of the lease. */
  readonly signal: AbortSignal;
  readonly now: () => Date;
  readonly log: Log;
  readonly progress: (progress: Progress) => void;
  /** The id that stays the same when a step runs again after a crash; with a change's id it is the idempotency key. */
  readonly run: { readonly id: string; readonly trigger: Trigger; readonly actor: Actor; readonly dryRun: boolean };
  readonly node: { readonly id: string; readonly name: string };
  readonly artifact: (name: string, content: string | Uint8Array) => Promise<ArtifactReference>;
  readonly secret: (reference: SecretReference) => Promise<string>;
  /**
   * Asks the store whether this run still belongs to this node. Gives the fence, which only grows; LEASE_LOST where another
   * has taken over. What must never happen twice asks right before it happens, and hands the fence to whoever can compare.
   */
  readonly lease: () => Promise<number>;
  /**
   * Has these names for itself while it works, as by `locks` and no longer than it needs them. LOCKED where somebody keeps one for
   * longer than a run waits for its locks. Holding them twice within one another is never needed, and two runs that did would wait for each other.
   */
  readonly holding: <T>(names: readonly string[], work: () => Promise<T>) => Promise<T>;
}

export interface Applied<C, Receipt> {
  readonly change: C;
  readonly receipt: Receipt;
}

/** Where, and for how long at most, it is asked what a run has for itself. */
export interface LockedAt {
  readonly node: { readonly id: string };
  readonly signal: AbortSignal;
}

interface Described<Input extends z.ZodType, Output extends z.ZodType, Needs extends PortName> {
  /** Kebab-case, permanent: REST path, CLI command. */
  readonly name: string;
  readonly version: number;
  readonly title: string;
  /** One sentence: OpenAPI, MCP, CLI help, first line of the page. */
  readonly summary: string;
  readonly category: Category;
  readonly priority: 'P0' | 'P1' | 'P2' | 'P3';
  /** What happens where it never runs. */
  readonly ifMissed: string;
  /** Heavy ones of a kind do not overlap on a node. */
  readonly load: 'cpu' | 'io' | 'light';
  /**
   * Between two changes, other heavy work of its kind that waits has its turn. It can have no `locks`: whoever has the turn might
   * wait for them. What it needs for one change it has by `holding`.
   */
  readonly givesWay?: boolean;
  readonly needs: readonly Needs[];
  readonly input: Input;
  readonly output: Output;
  readonly examples: readonly { readonly title: string; readonly input: z.input<Input> }[];
  readonly safeguards: Safeguards;
  /** `any`: touches no machine, so any live node may run it and take it over; otherwise it belongs to its target's node. */
  readonly placement?: 'target' | 'any';
  /** Words after `steward` that run it, besides `run <name>`; and members of the input that are positional arguments there. */
  readonly cli?: readonly string[];
  readonly cliArguments?: readonly string[];
  /** Others have the same words: it is this one that is meant where an option says so. */
  readonly cliWhen?: { readonly option: string; readonly is: string };
  /** The name under which AI assistants see it, where the mission gives one. */
  readonly mcpName?: string;
  /** What it works on: gives node, locks, permission, blast radius, maintenance. */
  target?(input: z.output<Input>, inventory: Inventory): Promise<Resource | undefined>;
  /**
   * What else it has for itself while it works, whichever node works: names that every automation uses that touches the same.
   * Of the ports it may ask what is configured, and who is behind an address, where it goes on soon though nobody answers.
   */
  locks?(input: z.output<Input>, ports: Pick<Ports, Needs>, at: LockedAt): Promise<readonly string[]>;
}

export interface ReadAutomation<
  Input extends z.ZodType,
  Output extends z.ZodType,
  Needs extends PortName,
  Facts,
> extends Described<Input, Output, Needs> {
  readonly effect: 'read';
  /** Looks, touches nothing. Facts are JSON. */
  analyze(ctx: Context<z.output<Input>, Needs>): Promise<Facts>;
  validate?(ctx: Context<z.output<Input>, Needs>, facts: NoInfer<Facts>): Promise<CheckStatement[]>;
  verify(ctx: Context<z.output<Input>, Needs>, done: { readonly facts: NoInfer<Facts> }): Promise<CheckStatement[]>;
  record(done: { readonly facts: NoInfer<Facts>; readonly checks: readonly CheckStatement[] }): z.input<Output>;
}

export interface ChangingAutomation<
  Input extends z.ZodType,
  Output extends z.ZodType,
  Needs extends PortName,
  Facts,
  C extends Change,
  Receipt,
> extends Described<Input, Output, Needs> {
  readonly effect: 'write' | 'destructive';
  analyze(ctx: Context<z.output<Input>, Needs>): Promise<Facts>;
  /** Statements that must hold before there is a plan; one that fails stops the run. */
  validate?(ctx: Context<z.output<Input>, Needs>, facts: NoInfer<Facts>): Promise<CheckStatement[]>;
  plan(ctx: Context<z.output<Input>, Needs>, facts: NoInfer<Facts>): Promise<readonly C[]>;
  /**
   * What of the facts the plan rests on. After approval, or before applying, it is computed again:
   * where it differs the run is stale. Without it the plan itself is compared.
   */
  basis?(facts: NoInfer<Facts>): JsonObject;
  /** One change. May happen twice and must then be harmless. */
  execute(
    ctx: Context<z.output<Input>, Needs>,
    change: NoInfer<C>,
    sofar: {
      readonly facts: NoInfer<Facts>;
      readonly receipts: ReadonlyMap<string, unknown>;
      readonly attempt: number;
    },
  ): Promise<Receipt>;
  /** Looks at the world again. */
  verify(
    ctx: Context<z.output<Input>, Needs>,
    done: { readonly facts: NoInfer<Facts>; readonly applied: readonly Applied<NoInfer<C>, NoInfer<Receipt>>[] },
  ): Promise<CheckStatement[]>;
  record(done: {
    readonly facts: NoInfer<Facts>;
    readonly applied: readonly Applied<NoInfer<C>, NoInfer<Receipt>>[];
    readonly checks: readonly CheckStatement[];
  }): z.input<Output>;
  /** Last first; the half-done one comes without receipt. Must tolerate 'was never done'. Owed where a change says undo: automatic. */
  rollback?(
    ctx: Context<z.output<Input>, Needs>,
    change: NoInfer<C>,
    receipt: NoInfer<Receipt> | undefined,
  ): Promise<void>;
  /** Looks at the world after a person had the changes taken back. Without it, planning again must want each of them again. */
  verifyUndone?(
    ctx: Context<z.output<Input>, Needs>,
    done: { readonly undone: readonly Applied<NoInfer<C>, NoInfer<Receipt> | undefined>[] },
  ): Promise<CheckStatement[]>;
}

// The engine and the surfaces handle automations of every type; the schemas guard the way in and out.
// oxlint-disable typescript/no-explicit-any
export type AnyAutomation =
  | ReadAutomation<any, any, PortName, any>
  | ChangingAutomation<any, any, PortName, any, any, any>;
// oxlint-enable typescript/no-explicit-any

/** Defines an automation. Types flow from `input` through the phases in their order; nobody writes a type argument. */
export function defineAutomation<Input extends z.ZodType, Output extends z.ZodType, Needs extends PortName, Facts>(
  definition: ReadAutomation<Input, Output, Needs, Facts>,
): ReadAutomation<Input, Output, Needs, Facts>;
export function defineAutomation<
  Input extends z.ZodType,
  Output extends z.ZodType,
  Needs extends PortName,
  Facts,
  C extends Change,
  Receipt,
>(
  definition: ChangingAutomation<Input, Output, Needs, Facts, C, Receipt>,
): ChangingAutomation<Input, Output, Needs, Facts, C, Receipt>;
export function defineAutomation(definition: AnyAutomation): AnyAutomation {
  const looking = LOOKING.filter((phase) => phase in definition).map((phase) => [
    phase,
    onlyLooking(definition, phase),
  ]);
  return { ...definition, ...(Object.fromEntries(looking) as Partial<AnyAutomation>) } as AnyAutomation;
}

/** In these phases whatever would change the world is refused before it happens, so a dry run touches nothing. */
const LOOKING = ['analyze', 'validate', 'plan', 'verify', 'verifyUndone'] as const;

function onlyLooking(definition: AnyAutomation, phase: (typeof LOOKING)[number]): unknown {
  const work = Reflect.get(definition, phase) as (ctx: Context<unknown, PortName>, rest: unknown) => unknown;
  // Async, so that a refusal is a rejection like every other failure of a phase.
  return async (ctx: Context<unknown, PortName>, rest: unknown): Promise<unknown> =>
    await work.call(definition, { ...ctx, ports: lookingPorts(ctx.ports, definition.name) }, rest);
}
