import { createHash } from 'node:crypto';
import { may } from '../core/actor.ts';
import type { AnyAutomation } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import { canonicalJson } from '../core/json.ts';
import { redactText } from '../core/redact.ts';
import type { Resource } from '../core/resource.ts';
import type { Run } from '../core/run.ts';
import type { StartRun } from '../core/run-service.ts';
import { cleaner } from './clean.ts';
import { queueOf } from './dbos.ts';
import { newId } from './ids.ts';
import type { Placement } from './placement.ts';
import type { RunRow } from './run-rows.ts';
import type { StageDeps } from './stage.ts';

export interface StartDeps extends StageDeps {
  readonly enqueue: (row: RunRow) => Promise<void>;
  /** The id of the node that a resource names, by id or by name; this node where nobody is called so. */
  readonly nodeOf: (reference: string) => Promise<string>;
  readonly placement: Placement;
}

/** Everything is looked at before anything is stored; what is stored finds its way into the queue, at once or soon after. */
export async function startRun(deps: StartDeps, request: StartRun): Promise<Run> {
  const { runs, catalog, inventory, audit, now, log } = deps;
  const automation = catalog().automations.get(request.automation);
  if (!automation)
    throw new StewardError('NOT_FOUND', `There is no automation '${request.automation}'.`, {
      hint: 'See steward automations.',
    });
  if (request.idempotencyKey !== undefined) {
    const known = await runs.byKey(request.idempotencyKey);
    if (known) return known;
  }
  const dryRun = request.dryRun ?? false;
  const detail = { automation: automation.name, ...(dryRun && { dryRun }) };
  const entry = {
    action: 'run.requested',
    actor: request.actor,
    from: request.trigger,
    reason: request.reason,
    causation: request.causation,
  };
  if (!may(request.actor, automation.effect === 'read' || dryRun ? 'read' : 'operate', automation.name)) {
    await audit.append({ ...entry, outcome: 'refused', detail });
    throw new StewardError(
      'FORBIDDEN',
      `${request.actor.name} has the role ${request.actor.role}, which may not run ${automation.name}.`,
    );
  }
  const input: unknown = request.input ?? {};
  const parsed = automation.input.safeParse(input);
  if (!parsed.success) throw StewardError.from(parsed.error);
  const target: Resource | undefined = await automation.target?.(parsed.data, inventory);
  if (target) assertTouchable(automation, target, dryRun);

  const id = newId('run', now());
  const place = await placeOf(deps, automation, target, request);
  await audit.append({
    ...entry,
    subject: { kind: 'run', id },
    outcome: 'allowed',
    detail: { ...detail, ...(target && { target: target.id }) },
  });
  let run: Run;
  try {
    run = await runs.insert({
      id,
      automation: automation.name,
      version: automation.version,
      effect: automation.effect,
      status: 'queued',
      stage: automation.effect === 'read' ? 'apply' : 'plan',
      round: 1,
      dry_run: dryRun,
      trigger: request.trigger,
      actor: JSON.stringify(request.actor),
      reason: request.reason === undefined ? null : redactText(request.reason),
      causation: JSON.stringify(request.causation ?? {}),
      ...place,
      target_id: target?.id ?? null,
      target: target ? JSON.stringify({ id: target.id, name: target.name, critical: target.critical }) : null,
      input: JSON.stringify({ value: cleaner().clean(input) }),
      phases: '[]',
      checks: '[]',
      idempotency_key: request.idempotencyKey ?? null,
      created_at: now(),
      ...(automation.effect === 'read' && { decision: 'auto', decision_rule: 'reading' }),
    });
  } catch (thrown) {
    // Somebody was faster with the same key.
    const known =
      request.idempotencyKey !== undefined && StewardError.from(thrown).code === 'CONFLICT'
        ? await runs.byKey(request.idempotencyKey)
        : undefined;
    if (known) return known;
    throw thrown;
  }
  const row = await runs.row(id);
  if (row)
    await deps
      .enqueue(row)
      .catch((thrown: unknown) => log.warn('run not queued yet', { runId: id, reason: (thrown as Error).message }));
  return run;
}

function assertTouchable(automation: AnyAutomation, target: Resource, dryRun: boolean): void {
  if (automation.effect === 'read' || dryRun || target.adoption === 'adopted') return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `${target.name} is ${target.adoption === 'pending' ? 'not adopted yet' : 'ignored'}, so nothing is done to it.`,
    {
      hint: 'A person adopts it first; a dry run works without.',
    },
  );
}

async function placeOf(
  deps: StartDeps,
  automation: AnyAutomation,
  target: Resource | undefined,
  { trigger, place, input }: Pick<StartRun, 'trigger' | 'place' | 'input'>,
): Promise<Pick<RunRow, 'node' | 'queue' | 'lock'> & { place: string | null }> {
  const node = target ? await deps.nodeOf(target.node) : await deps.placement.choose(automation, place);
  if (target && place?.node !== undefined && (await deps.nodeOf(place.node)) !== node)
    throw new StewardError('INPUT_INVALID', `${target.name} is on node ${target.node}, and not on ${place.node}.`, {
      hint: 'Leave the node out: what is done to a service happens on its machine.',
    });
  return {
    node,
    queue: queueOf(node, trigger === 'healing'),
    lock: target?.id ?? lockOf(automation, node, input),
    place: place === undefined ? null : JSON.stringify(place),
  };
}

/** Without a target it works on its machine, or on none: then only the very same is kept from happening twice at once. */
function lockOf({ name, placement }: AnyAutomation, node: string, input: unknown): string {
  if (placement !== 'any') return `automation:${name}:${node}`;
  const text = canonicalJson(cleaner().clean(input ?? {}));
  return `automation:${name}:${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/** What must not overlap waits for one another in the queue, where it takes nobody's place. */
export function partitionOf(row: RunRow, load: AnyAutomation['load']): string {
  if (load !== 'light') return `load:${load}`;
  return row.effect === 'read' ? row.id : row.lock;
}
