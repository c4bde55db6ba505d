import type { Trigger } from '../core/actor.ts';
import type { AuditLog } from '../core/audit.ts';
import type { AnyAutomation } from '../core/automation.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { Call } from '../core/operation.ts';
import type { Run } from '../core/run.ts';
import type { RunService, StartRun } from '../core/run-service.ts';
import { parseInput } from './input.ts';
import { asJson, assertMay, endOf, inBrief, isRecorded, told } from './perform.ts';

export interface StartDeps {
  readonly catalog: Pick<Catalog, 'automations'>;
  readonly runs: RunService;
  readonly audit: AuditLog;
}

export interface Wanted {
  readonly name: string;
  readonly input: unknown;
  readonly trigger: Trigger;
  readonly dryRun: boolean;
  readonly reason?: string | undefined;
  readonly planToken?: string | undefined;
  readonly place?: StartRun['place'];
  /** As the client chose it. */
  readonly idempotencyKey?: string | undefined;
}

/** Starts a run the way every surface must: permission, input, record, and one run for one key of one actor. */
export async function startRun(deps: StartDeps, wanted: Wanted, call: Call): Promise<Run> {
  const { runs, audit } = deps;
  const { name, input, trigger, dryRun, reason, planToken, place, idempotencyKey } = wanted;
  const about = { kind: 'automation', id: name.slice(0, 100) };
  const record = {
    actor: call.actor,
    from: call.from,
    requestId: call.requestId,
    ...(reason === undefined ? {} : { reason }),
  };
  const refused = (error: StewardError): Promise<void> =>
    audit.append({ ...record, action: 'run.refused', subject: about, ...endOf(error) });
  try {
    const automation = automationOf(deps, name);
    // What destroys only comes as far as its plan; approving it is another permission.
    await assertMay(call, automation.effect === 'read' ? 'read' : 'operate', about, audit);
    checkInput(automation, input);
    assertKey(idempotencyKey);
  } catch (thrown) {
    throw isRecorded(thrown) ? thrown : await told(thrown, refused);
  }
  await audit.append({
    ...record,
    action: 'run.requested',
    outcome: 'allowed',
    subject: about,
    detail: { input: inBrief(input), dryRun, ...(place && { place: asJson(place) }) },
  });
  try {
    const run = await runs.start({
      automation: name,
      input,
      trigger,
      actor: call.actor,
      dryRun,
      reason,
      planToken,
      place,
      // Two people may think of the same key.
      idempotencyKey:
        idempotencyKey === undefined
          ? undefined
          : `${call.actor.id}:${name}:${dryRun ? 'plan' : 'run'}:${idempotencyKey}`,
    });
    await audit.append({
      ...record,
      action: 'run.accepted',
      outcome: 'succeeded',
      subject: { kind: 'run', id: run.id },
      detail: { automation: name, dryRun },
    });
    return run;
  } catch (thrown) {
    throw await told(thrown, refused);
  }
}

export function automationOf({ catalog }: Pick<StartDeps, 'catalog'>, name: string): AnyAutomation {
  const automation = catalog.automations.get(name);
  if (automation) return automation;
  throw new StewardError('NOT_FOUND', `There is no automation ${name.slice(0, 100)}.`, {
    hint: `There are: ${[...catalog.automations.keys()].join(', ') || 'none'}.`,
  });
}

/** The engine checks again; here the fields get the names they have in the request. */
function checkInput(automation: AnyAutomation, input: unknown): void {
  try {
    parseInput(automation.input, input);
  } catch (thrown) {
    const error = StewardError.from(thrown);
    const problems = error.problems?.map(({ path, message }) => ({
      path: path === '' ? 'input' : `input.${path}`,
      message,
    }));
    const first = problems?.[0];
    throw new StewardError(error.code, first ? `${first.path}: ${first.message}` : error.message, {
      problems,
      hint: error.hint,
      cause: thrown,
    });
  }
}

function assertKey(key: string | undefined): void {
  if (key === undefined || /^[\x21-\x7e]{1,200}$/.test(key)) return;
  throw new StewardError('INPUT_INVALID', 'Idempotency-Key is not usable.', {
    problems: [{ path: 'Idempotency-Key', message: 'expected 1 to 200 printable characters without spaces' }],
    hint: 'A UUID does well.',
  });
}
