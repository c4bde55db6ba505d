import { z } from 'zod';
import { Actor, Trigger } from './actor.ts';
import { ErrorBody } from './error-body.ts';
import { Causation } from './event.ts';
import { RUN_STATUSES } from './run-states.ts';

export const RunStatus = z.enum(RUN_STATUSES);
export type RunStatus = z.output<typeof RunStatus>;
export { isFinal, mayBecome } from './run-states.ts';

export const Phase = z.enum(['analyze', 'validate', 'plan', 'execute', 'verify', 'record', 'log', 'rollback']);
export type Phase = z.output<typeof Phase>;

/** One true-or-false statement about the world, with what it rests on. */
export const CheckStatement = z.object({
  name: z.string().describe('A sentence that holds or does not: nginx answers on 127.0.0.1:80.'),
  ok: z.boolean(),
  evidence: z.json().optional(),
});
export type CheckStatement = z.output<typeof CheckStatement>;

export const Undo = z.enum(['automatic', 'approval', 'none']);
export type Undo = z.output<typeof Undo>;

/** One item of a plan. Definitions add members of their own. */
export const Change = z.looseObject({
  id: z.string().min(1).max(200),
  title: z.string(),
  undo: Undo.describe(
    'automatic: taken back at once on failure; approval: taking it back would itself destroy; none: it cannot be taken back.',
  ),
  additive: z
    .boolean()
    .optional()
    .describe('It takes nothing away, so there is nothing to take back where the run fails.'),
  detail: z.string().optional().describe('What a person should read before it happens: the SQL that is sent.'),
});
export interface Change {
  readonly id: string;
  readonly title: string;
  readonly undo: Undo;
  /** It takes nothing away, and what it left is wanted also where the run fails: a copy, a look. */
  readonly additive?: boolean | undefined;
  /** Lines that are shown below the title wherever the plan is shown. */
  readonly detail?: string | undefined;
}

export const ChangeRecord = z.object({
  id: z.string(),
  title: z.string(),
  undo: Undo,
  status: z.enum(['planned', 'running', 'done', 'failed', 'undone', 'undo-failed', 'skipped']),
  attempts: z.number().int(),
  receipt: z.json().optional(),
  error: ErrorBody.optional(),
  startedAt: z.coerce.date().optional(),
  finishedAt: z.coerce.date().optional(),
});
export type ChangeRecord = z.output<typeof ChangeRecord>;

export const PhaseRecord = z.object({
  phase: Phase,
  startedAt: z.coerce.date(),
  finishedAt: z.coerce.date().optional(),
});
export type PhaseRecord = z.output<typeof PhaseRecord>;

export const Progress = z.object({ done: z.number(), total: z.number().optional(), message: z.string().optional() });
export type Progress = z.output<typeof Progress>;

/** What a person should know before letting a plan happen. */
export const Impact = z.object({
  blastRadius: z
    .array(z.object({ id: z.string(), name: z.string(), critical: z.boolean() }))
    .describe('What depends on the target, and so may stop working with it.'),
  undo: z
    .object({ automatic: z.number().int(), approval: z.number().int(), none: z.number().int() })
    .describe('How many changes are taken back at once, by a person, or not at all.'),
  recoveryPoint: z
    .string()
    .nullable()
    .optional()
    .describe('What could be restored should it go wrong; null where something is destroyed and nothing is known.'),
});
export type Impact = z.output<typeof Impact>;

/** One execution of an automation on one node, as every surface shows it. */
export const Run = z.object({
  id: z.string(),
  automation: z.string(),
  version: z.number().int(),
  effect: z.enum(['read', 'write', 'destructive']).optional().describe('What destroys takes more to be approved.'),
  status: RunStatus,
  dryRun: z.boolean(),
  trigger: Trigger,
  actor: Actor,
  reason: z.string().optional(),
  causation: Causation,
  node: z.string(),
  relation: z
    .object({ kind: z.enum(['undoes', 'continues', 'repeats', 'replans']), runId: z.string() })
    .optional()
    .describe('The run whose changes it takes back, whose rest it does, or which it does again.'),
  target: z.object({ id: z.string(), name: z.string(), critical: z.boolean() }).optional(),
  input: z.json(),
  facts: z.json().optional(),
  plan: z.array(Change).optional(),
  planHash: z.string().optional().describe('SHA-256 of the canonical plan; an approval is bound to it.'),
  impact: Impact.optional(),
  decision: z.enum(['observe', 'propose', 'auto']).optional(),
  decisionRule: z.string().optional().describe('The policy rule that decided.'),
  approval: z
    .object({
      by: z.string(),
      at: z.coerce.date(),
      planHash: z.string(),
      expiresAt: z.coerce.date().optional(),
      method: z
        .enum(['session', 'password', 'passkey', 'token'])
        .optional()
        .describe('How the person showed who they are.'),
    })
    .optional(),
  expiresAt: z.coerce.date().optional().describe('When a waiting plan expires.'),
  phases: z.array(PhaseRecord),
  changes: z.array(ChangeRecord),
  checks: z.array(CheckStatement),
  progress: Progress.optional(),
  output: z.json().optional(),
  error: ErrorBody.extend({ phase: Phase.optional() }).optional(),
  createdAt: z.coerce.date(),
  startedAt: z.coerce.date().optional(),
  finishedAt: z.coerce.date().optional(),
});
export type Run = z.output<typeof Run>;
