import { createHash } from 'node:crypto';
import type { Actor, Trigger } from '../core/actor.ts';
import { systemActor } from '../core/actor.ts';
import type { ArtifactReference } from '../core/artifact.ts';
import type { AnyAutomation, ReadAutomation } from '../core/automation.ts';
import type { ChangingAutomation } from '../core/automation.ts';
import type { SecretReference } from '../core/secrets.ts';
import { StewardError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import type { PortName, Ports } from '../core/ports.ts';
import type { Change, ChangeRecord, CheckStatement, Phase, Progress, RunStatus } from '../core/run.ts';
import type { z } from 'zod';
import { cleaner } from '../engine/clean.ts';
import { performApply, performPlan, performRead } from '../engine/perform.ts';
import type { Performance, PhaseError, Recorder } from '../engine/perform-types.ts';
import { memoryLog } from './log.ts';

export interface InMemoryOptions<Input, Needs extends PortName> {
  readonly ports: Pick<Ports, Needs>;
  readonly input: Input;
  readonly now?: () => Date;
  readonly dryRun?: boolean;
  readonly trigger?: Trigger;
  readonly actor?: Actor;
  readonly signal?: AbortSignal;
  readonly log?: Log;
  readonly node?: { readonly id: string; readonly name: string };
  readonly secret?: (reference: SecretReference) => Promise<string>;
  /** Between the plan and its execution: what happens to the world while a person thinks. */
  readonly beforeApply?: () => Promise<void> | void;
}

export interface InMemoryRun<Output> {
  readonly status: RunStatus;
  readonly facts?: Json | undefined;
  readonly plan: readonly Change[];
  readonly planHash?: string | undefined;
  readonly changes: readonly ChangeRecord[];
  readonly checks: readonly CheckStatement[];
  readonly phases: readonly Phase[];
  readonly progress: readonly Progress[];
  readonly artifacts: ReadonlyMap<string, string | Uint8Array>;
  readonly output?: Output | undefined;
  readonly error?: PhaseError | undefined;
}

// Whatever the phases hand on among themselves does not matter to the caller.
/* oxlint-disable typescript/no-explicit-any */
type Any<I extends z.ZodType, O extends z.ZodType, N extends PortName> =
  | ReadAutomation<I, O, N, any>
  | ChangingAutomation<I, O, N, any, any, any>;
/* oxlint-enable typescript/no-explicit-any */

/**
 * Runs an automation through the engine's own phases, with the ports given and nothing stored.
 * What passes from phase to phase is JSON without secrets here too. The policy is not asked: a plan is applied.
 */
export async function performInMemory<I extends z.ZodType, O extends z.ZodType, N extends PortName>(
  automation: Any<I, O, N>,
  options: InMemoryOptions<z.input<I>, N>,
): Promise<InMemoryRun<z.output<O>>> {
  const {
    ports,
    now = () => new Date(),
    dryRun = false,
    trigger = 'cli',
    signal = new AbortController().signal,
  } = options;
  const memory = recordInMemory(now);
  const { clean, uses } = cleaner();
  const input = automation.input.safeParse(options.input);
  if (!input.success) throw StewardError.from(input.error);
  const artifacts = new Map<string, string | Uint8Array>();
  const progress: Progress[] = [];
  const run = { id: 'run_memory', trigger, actor: options.actor ?? systemActor('test'), dryRun };
  const performance: Performance = {
    automation: automation as AnyAutomation,
    durable: { step: async (_name, work) => JSON.parse(JSON.stringify(await work())) },
    recorder: memory.recorder,
    signal,
    rollbackSignal: new AbortController().signal,
    clean,
    context: (inner) => ({
      input: input.data,
      ports: ports as Pick<Ports, PortName>,
      signal: inner,
      now,
      log: options.log ?? memoryLog(),
      progress: (made) => void progress.push(made),
      run,
      node: options.node ?? { id: 'node_memory', name: 'memory' },
      async artifact(name, content) {
        artifacts.set(name, content);
        return describeArtifact(run.id, name, content);
      },
      lease: async () => 1,
      holding: (_names, work) => work(),
      async secret(reference) {
        if (!options.secret) throw new StewardError('NOT_FOUND', 'This test gives no secrets.');
        const value = await options.secret(reference);
        uses(value);
        return value;
      },
    }),
  };
  const seen = (): Pick<InMemoryRun<z.output<O>>, 'changes' | 'checks' | 'phases' | 'progress' | 'artifacts'> => ({
    ...memory.seen(),
    progress,
    artifacts,
  });

  if (automation.effect === 'read') {
    const { status, output, error } = await performRead(performance);
    return { status, plan: [], output: output as z.output<O>, error, ...seen() };
  }
  const outcome = await performPlan(performance);
  if (!outcome.ok)
    return { status: outcome.canceled ? 'canceled' : 'failed', plan: [], error: outcome.error, ...seen() };
  const { facts, plan, planHash } = outcome.planned;
  if (dryRun) return { status: 'succeeded', facts, plan, planHash, ...seen() };
  await options.beforeApply?.();
  const { status, output, error } = await performApply(performance, outcome.planned);
  return { status, facts, plan, planHash, output: output as z.output<O>, error, ...seen() };
}

function recordInMemory(now: () => Date): {
  recorder: Recorder;
  seen(): { changes: ChangeRecord[]; checks: readonly CheckStatement[]; phases: Phase[] };
} {
  const changes = new Map<string, ChangeRecord>();
  const phases: Phase[] = [];
  let checks: readonly CheckStatement[] = [];
  const recorder: Recorder = {
    async phase(phase) {
      phases.push(phase);
    },
    async checks(seen) {
      checks = seen;
    },
    async changeStarts({ id, title, undo }) {
      const attempt = (changes.get(id)?.attempts ?? 0) + 1;
      changes.set(id, { id, title, undo, status: 'running', attempts: attempt, startedAt: now() });
      return { attempt, done: false };
    },
    async changeEnds({ id }, outcome, attempts) {
      const change = changes.get(id);
      if (change)
        changes.set(id, {
          ...change,
          ...outcome,
          receipt: 'receipt' in outcome ? (outcome.receipt as ChangeRecord['receipt']) : change.receipt,
          attempts: attempts ?? change.attempts,
          finishedAt: now(),
        });
    },
    async rollingBack() {},
  };
  return { recorder, seen: () => ({ changes: [...changes.values()], checks, phases }) };
}

function describeArtifact(runId: string, name: string, content: string | Uint8Array): ArtifactReference {
  return {
    id: `${runId}/${name}`,
    runId,
    name,
    bytes: Buffer.byteLength(content),
    sha256: createHash('sha256').update(content).digest('hex'),
  };
}
