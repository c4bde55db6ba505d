import type { ErrorCode } from '../../core/errors.ts';
import type { EventType, StewardEvent } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Run } from '../../core/run.ts';
import type { Ledger } from './ledger.ts';

export const RUN_EVENTS: readonly EventType[] = [
  'run.failed',
  'run.rolled-back',
  'run.succeeded',
  'workflow.finished',
  'workflow.not-started',
];

/** Whoever asked sits before the answer. */
const ASKED: ReadonlySet<string> = new Set(['api', 'cli', 'mcp', 'dashboard'] satisfies Run['trigger'][]);
/** Then these are an answer to the question and no fault of the world. */
const ANSWERS: ReadonlySet<string> = new Set([
  'PRECONDITION_FAILED',
  'INPUT_INVALID',
  'NOT_FOUND',
] satisfies ErrorCode[]);

const TITLE_LENGTH = 300;

/** What `run.*` events tell; written by the engine, and read as something that may be older than this version. */
interface RunData {
  readonly runId?: string;
  readonly automation?: string;
  readonly status?: string;
  readonly trigger?: string;
  readonly dryRun?: boolean;
  readonly target?: { readonly id: string; readonly name: string; readonly critical: boolean };
  readonly error?: { readonly code: string; readonly message: string; readonly phase?: string };
}

interface WorkflowData {
  readonly dryRun?: boolean;
  /** Nobody is called when it fails. */
  readonly optional?: boolean;
  readonly executionId?: string;
  readonly workflow?: string;
  readonly status?: string;
  readonly trigger?: string;
  readonly steps?: readonly {
    readonly id: string;
    readonly status: string;
    readonly message?: string;
    readonly runId?: string;
  }[];
}

interface NotStartedData {
  readonly workflow?: string;
  readonly event?: { readonly id: number; readonly type: string };
  readonly error?: { readonly code: string; readonly message: string };
}

/** The end of the failure policy: what retries and the rollback could not save becomes an incident, until it succeeds again. */
export function createFailedRuns({ ledger, node }: { ledger: Ledger; node: { readonly id: string } }) {
  async function failed(event: StewardEvent): Promise<void> {
    const {
      runId = '',
      automation = '',
      status = 'failed',
      trigger = '',
      dryRun,
      target,
      error,
    } = event.data as RunData;
    // Healing has an incident of its own, and counts.
    if (dryRun || trigger === 'healing') return;
    if (ASKED.has(trigger) && ANSWERS.has(error?.code ?? '')) return;
    // Planned again at once; should that fail, it is told.
    if (error?.code === 'PLAN_STALE') return;
    await ledger.open({
      fingerprint: fingerprintOf(event.data, node),
      resourceId: target?.id,
      title:
        `${automation}${target ? ` on ${target.name}` : ''} ${ENDED[status] ?? 'failed'}: ${error?.message ?? 'no reason is known'}`.slice(
          0,
          TITLE_LENGTH,
        ),
      symptom: 'run.failed',
      severity: status === 'rollback-failed' || target?.critical ? 'critical' : 'warning',
      evidence: { runId, automation, status, trigger, error: (error ?? null) as JsonObject | null },
    });
  }

  async function workflowFailed({ data }: StewardEvent): Promise<void> {
    const {
      executionId = '',
      workflow = '',
      status,
      trigger = '',
      steps = [],
      dryRun,
      optional,
    } = data as WorkflowData;
    if (dryRun) return;
    const fingerprint = `workflow.failed:${workflow}`;
    if (status === 'succeeded') return await over(fingerprint, `It ran through: execution ${executionId}.`);
    const broken = steps.find((step) => step.status === 'failed');
    // A step whose run failed is told by its run; one that could not even be started, by nobody else.
    if (status !== 'failed' || optional || ASKED.has(trigger) || !broken || broken.runId !== undefined) return;
    await ledger.open({
      fingerprint,
      title:
        `The workflow ${workflow} could not go on at '${broken.id}': ${broken.message ?? 'no reason is known'}`.slice(
          0,
          TITLE_LENGTH,
        ),
      symptom: 'run.failed',
      severity: 'warning',
      evidence: { executionId, workflow, step: broken.id, trigger },
    });
  }

  /** What should have been done then was not; that others began since does not do it, so only a person closes it. */
  async function workflowNotStarted({ data }: StewardEvent): Promise<void> {
    const { workflow = '', event, error } = data as NotStartedData;
    await ledger.open({
      fingerprint: `workflow.not-started:${workflow}`,
      title:
        `The workflow ${workflow} could not be started by ${event?.type ?? 'an event'}: ${error?.message ?? 'no reason is known'}`.slice(
          0,
          TITLE_LENGTH,
        ),
      symptom: 'run.failed',
      severity: 'warning',
      evidence: data,
    });
  }

  async function over(fingerprint: string, resolution: string): Promise<void> {
    const incident = await ledger.byFingerprint(fingerprint);
    if (incident && incident.status !== 'resolved') await ledger.resolve(incident.id, resolution);
  }

  return async (event: StewardEvent): Promise<void> => {
    // A run is on one node, and so is whoever tells of it.
    if (event.node !== node.id) return;
    if (event.type === 'workflow.finished') return await workflowFailed(event);
    if (event.type === 'workflow.not-started') return await workflowNotStarted(event);
    if (event.type !== 'run.succeeded') return await failed(event);
    const data = event.data as RunData;
    if (!data.dryRun) await over(fingerprintOf(data, node), `It succeeded: run ${data.runId ?? ''}.`);
  };
}

const ENDED: Readonly<Record<string, string>> = {
  'rolled-back': 'failed and was taken back',
  'rollback-failed': 'failed and could not be taken back',
};

/**
 * The same work failing again is the same problem. One that left something behind is another: the next success does not
 * put that back, so only a person closes it.
 */
function fingerprintOf({ automation, target, status }: RunData, node: { readonly id: string }): string {
  const what = status === 'rollback-failed' ? status : 'failed';
  return `run.${what}:${automation ?? ''}:${target?.id ?? node.id}`;
}
