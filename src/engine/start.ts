import { createHash } from 'node:crypto';
import { may } from '../core/actor.ts';
import type { AnyAutomation } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import { canonicalJson } from '../core/json.ts';
import { redactText } from '../core/redact.ts';
import type { Resource } from '../core/resource.ts';
import type { Run } from '../core/run.ts';
import type { StartRun } from '../core/run-service.ts';
import { runKey } from './ancestry.ts';
import type { BreakerDesk } from './breakers.ts';
import { cleaner } from './clean.ts';
import { queueOf } from './dbos.ts';
import { newId } from './ids.ts';
import type { Loops } from './loops.ts';
import { type ModeKeeper, paused } from './mode.ts';
import { hashOf } from './perform-phases.ts';
import { checkToken, hashOfToken, useToken } from './plan-tokens.ts';
import type { Placement } from './placement.ts';
import { RUN_PROBE_MS, runBreaker } from './run-breaker.ts';
import type { RunRow } from './run-rows.ts';
import type { StageDeps } from './stage.ts';
import type { Carried } from './tables-life.ts';

export interface StartDeps extends StageDeps {
  readonly enqueue: (row: RunRow) => Promise<void>;
  readonly loops: Loops;
  readonly breakers: BreakerDesk;
  readonly mode: ModeKeeper;
  /** The id of the node that a resource names, by id or by name; this node where nobody is called so. */
  readonly nodeOf: (reference: string) => Promise<string>;
  readonly placement: Placement;
}

/** What a run is to another one, where it is asked for about that one. */
export interface Life {
  readonly relation: NonNullable<Run['relation']>;
  /** What it has behind it: the changes of the run that it continues. */
  readonly carried?: readonly Carried[] | undefined;
  /** By what it does, where that is not what the automation does. */
  readonly effect?: AnyAutomation['effect'] | undefined;
  /** Where it happens, where that is settled. */
  readonly place?: Pick<RunRow, 'node' | 'queue' | 'lock' | 'target_id' | 'target'> | undefined;
}

/** Everything is looked at before anything is stored; what is stored finds its way into the queue, at once or soon after. */
export async function startRun(deps: StartDeps, request: StartRun, life?: Life): Promise<Run> {
  const { runs, catalog, inventory, audit, now, log, loops, mode, breakers } = deps;
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
  const effect = life?.effect ?? automation.effect;
  const changes = effect !== 'read' && !dryRun;
  const { causation = {} } = request;
  const detail = {
    automation: automation.name,
    ...(dryRun && { dryRun }),
    ...(life && { [life.relation.kind]: life.relation.runId }),
  };
  const entry = {
    action: 'run.requested',
    actor: request.actor,
    from: request.trigger,
    reason: request.reason,
    causation,
  };
  const refused = async (error: StewardError): Promise<never> => {
    await audit.append({
      ...entry,
      outcome: 'refused',
      detail: { ...detail, code: error.code, message: redactText(error.message) },
    });
    throw error;
  };
  if (!may(request.actor, changes ? 'operate' : 'read', automation.name)) {
    return await refused(
      new StewardError(
        'FORBIDDEN',
        `${request.actor.name} has the role ${request.actor.role}, which may not run ${automation.name}.`,
      ),
    );
  }
  const input: unknown = request.input ?? {};
  const parsed = automation.input.safeParse(input);
  if (!parsed.success) throw StewardError.from(parsed.error);
  const record = changes ? await mode.current() : undefined;
  if (record?.mode === 'stopped') return await refused(paused(record, `${automation.name} does not begin`));
  const target: Resource | undefined = await automation.target?.(parsed.data, inventory);
  if (target) assertTouchable(automation, target, dryRun);

  const id = newId('run', now());
  const place = life?.place ?? {
    ...(await placeOf(deps, automation, target, request)),
    target_id: target?.id ?? null,
    target: target ? { id: target.id, name: target.name, critical: target.critical } : null,
  };
  const inputHash = hashOf(cleaner().clean(parsed.data));
  const key = runKey(automation.name, place.target_id, inputHash);
  const tokenHash = request.planToken === undefined ? undefined : hashOfToken(request.planToken);
  const relation = life?.relation ?? null;
  const breaker = runBreaker({ automation: automation.name, dry_run: dryRun, relation, ...place });
  let expected: string | null = null;
  let probes = false;
  try {
    if (tokenHash !== undefined) {
      const about = { automation: automation.name, inputHash, actor: request.actor, dryRun, now: now() };
      expected = await checkToken(runs.db, tokenHash, about);
    }
    await loops.assertRun({
      automation: automation.name,
      key,
      targetId: place.target_id ?? undefined,
      trigger: request.trigger,
      actor: request.actor,
      causation,
      changes,
      replans: life?.relation.kind === 'replans' ? life.relation.runId : undefined,
    });
    probes = breaker !== undefined && (await breakers.wantsProbe(breaker));
  } catch (thrown) {
    return await refused(StewardError.from(thrown));
  }
  await audit.append({
    ...entry,
    subject: { kind: 'run', id },
    outcome: 'allowed',
    detail: {
      ...detail,
      ...(place.target && { target: place.target.id }),
      ...(expected !== null && { planHash: expected }),
    },
  });
  let inserted: Awaited<ReturnType<typeof runs.insert>>;
  try {
    inserted = await runs.insert(
      {
        id,
        automation: automation.name,
        version: automation.version,
        effect,
        status: 'queued',
        stage: automation.effect === 'read' ? 'apply' : 'plan',
        round: 1,
        dry_run: dryRun,
        trigger: request.trigger,
        actor: JSON.stringify(request.actor),
        reason: request.reason === undefined ? null : redactText(request.reason),
        causation: JSON.stringify(causation),
        ask_first: request.askFirst ? JSON.stringify(request.askFirst) : null,
        ...place,
        target: place.target && JSON.stringify(place.target),
        input: JSON.stringify({ value: cleaner().clean(input) }),
        input_hash: inputHash,
        loop_key: key,
        expected_hash: expected,
        relation: life ? JSON.stringify(life.relation) : null,
        carried: life?.carried ? JSON.stringify(life.carried) : null,
        phases: '[]',
        checks: '[]',
        idempotency_key: request.idempotencyKey ?? null,
        created_at: now(),
        ...(automation.effect === 'read' && { decision: 'auto', decision_rule: 'reading' }),
      },
      tokenHash === undefined && !probes
        ? undefined
        : async (trx) => {
            if (tokenHash !== undefined) await useToken(trx, tokenHash, id);
            if (breaker !== undefined && probes) await breakers.admit(trx, breaker, id, RUN_PROBE_MS);
          },
    );
  } catch (thrown) {
    // Somebody was faster with the same key.
    const known =
      request.idempotencyKey !== undefined && StewardError.from(thrown).code === 'CONFLICT'
        ? await runs.byKey(request.idempotencyKey)
        : undefined;
    if (known) return known;
    throw thrown;
  }
  await deps
    .enqueue(inserted.row)
    .catch((thrown: unknown) => log.warn('run not queued yet', { runId: id, reason: (thrown as Error).message }));
  return inserted.run;
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
