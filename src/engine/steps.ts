import { ms } from '../core/duration.ts';
import { type ErrorBody, StewardError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Phase } from '../core/run.ts';
import { retried } from '../safeguards/retried.ts';
import { timed } from '../safeguards/timed.ts';
import { guarded, type Work } from '../safeguards/work.ts';
import type { Performance } from './perform-types.ts';

/** Longer than a child is given before SIGKILL: what takes back must not begin beside a child that still works. */
const STOPS_WITHIN_MS = 5_000;

/** How a step ended, as it is kept. A failure is a result too: thrown errors lose their class on the way through the store. */
type StepResult =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly error: ErrorBody; readonly began: boolean };

/** A failure inside a phase, with the phase, and whether the world may have been touched. */
export class StepFailure extends Error {
  readonly body: ErrorBody;
  readonly phase: Phase;
  /** False where the step was refused before its work began. */
  readonly began: boolean;

  constructor(body: ErrorBody, phase: Phase, began: boolean) {
    super(body.message);
    this.name = 'StepFailure';
    this.body = body;
    this.phase = phase;
    this.began = began;
  }
}

export interface StepOptions<T> {
  readonly name: string;
  readonly phase: Phase;
  /** The phase begins with this step: it is told to the recorder. */
  readonly opens?: boolean | undefined;
  readonly signal: AbortSignal;
  readonly before?: (() => Promise<{ readonly known: T } | undefined>) | undefined;
  readonly work: Work<T>;
  /** In the same step, once the work is over. */
  readonly after?: ((result: { readonly value: T } | { readonly error: ErrorBody }) => Promise<void>) | undefined;
}

/**
 * One checkpointed step: limited in time, tried again where that can help, recorded, and never begun after the signal.
 * What it gives is what was stored, so that a run which continues after a crash sees the same as one that did not.
 */
export async function step<T extends Json>(performance: Performance, options: StepOptions<T>): Promise<T> {
  const { automation, durable, recorder, clean } = performance;
  const { timeout, retry } = automation.safeguards;
  const result = await durable.step<StepResult>(options.name, async () => {
    let began = false;
    let outcome: { readonly value: T } | { readonly error: ErrorBody };
    try {
      options.signal.throwIfAborted();
      if (options.phase !== 'rollback') performance.beforeStep?.();
      if (options.opens) await recorder.phase(options.phase);
      const early = await options.before?.();
      if (early) return { ok: true, value: clean(early.known) };
      began = true;
      const attempt = guarded(
        retried({
          attempts: retry.attempts,
          backoffMs: ms(retry.backoff),
          budget: performance.retries,
          onRetry: ({ code, message }, again) =>
            performance.context(options.signal).log.warn('step failed and is tried again', {
              step: options.name,
              attempt: again + 1,
              of: retry.attempts,
              code,
              reason: message,
            }),
        }),
        timed(performance.stepMs ?? ms(timeout), `${automation.name}: ${options.name}`, STOPS_WITHIN_MS),
      )(options.work);
      outcome = { value: clean(await attempt(options.signal)) as T };
    } catch (thrown) {
      if (options.signal.aborted && options.signal.reason instanceof Leave) throw options.signal.reason;
      outcome = {
        error: clean(
          StewardError.from(options.signal.aborted ? options.signal.reason : thrown).toBody(),
        ) as unknown as ErrorBody,
      };
    }
    if (began) await options.after?.(outcome);
    return 'value' in outcome ? { ok: true, value: outcome.value } : { ok: false, error: outcome.error, began };
  });
  if (result.ok) return result.value as T;
  throw new StepFailure(result.error, options.phase, result.began);
}

/** Why a node that stops aborts its runs: nothing is kept of the step, so recovery runs it again. */
export class Leave extends Error {
  constructor() {
    super('The node stops; the run continues when it is back.');
    this.name = 'Leave';
  }
}
