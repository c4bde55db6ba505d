import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import type { AnyAutomation } from '../../core/automation.ts';
import type { Catalog } from '../../core/catalog.ts';
import { StewardError } from '../../core/errors.ts';
import type { Run } from '../../core/run.ts';
import type { RunService } from '../../core/run-service.ts';
import { parseInput } from '../input.ts';
import { jsonSchemaOf } from '../json-schema.ts';
import { assertMay, inBrief } from '../perform.ts';
import { callOf, triggerOf } from './access.ts';
import { RunRequest } from './requests.ts';
import { API } from './routes.ts';

export interface RunRoutesDeps {
  readonly catalog: Catalog;
  readonly runs: RunService;
  readonly audit: AuditLog;
  readonly now: () => Date;
}

/** Starting automations: a run, or its plan only. */
export function mountRuns(app: FastifyInstance, { catalog, runs, audit, now }: RunRoutesDeps): void {
  if (!catalog.operations.has('automations')) {
    app.get(`${API}/automations`, async () => ({ items: [...catalog.automations.values()].map(described) }));
  }
  app.get<{ Params: { name: string } }>(`${API}/automations/:name`, async (request) =>
    described(automationOf(request.params.name)),
  );
  app.post<{ Params: { name: string } }>(`${API}/automations/:name/runs`, (request, reply) =>
    start(request, reply, request.params.name, false),
  );
  app.post<{ Params: { name: string } }>(`${API}/automations/:name/plan`, (request, reply) =>
    start(request, reply, request.params.name, true),
  );

  function automationOf(name: string): AnyAutomation {
    const automation = catalog.automations.get(name);
    if (automation) return automation;
    throw new StewardError('NOT_FOUND', `There is no automation ${name.slice(0, 100)}.`, {
      hint: `There are: ${[...catalog.automations.keys()].join(', ') || 'none'}.`,
    });
  }

  async function start(request: FastifyRequest, reply: FastifyReply, name: string, planOnly: boolean): Promise<Run> {
    const automation = automationOf(name);
    const call = callOf(request, now());
    const about = { kind: 'automation', id: name };
    // What destroys only comes as far as its plan; approving it is another permission.
    await assertMay(call, automation.effect === 'read' ? 'read' : 'operate', about, audit);
    const body = parseInput(RunRequest, request.body ?? {});
    const dryRun = planOnly || body.dryRun;
    const input = body.input ?? {};
    checkInput(automation, input);
    const key = idempotencyKey(request);
    const record = {
      actor: call.actor,
      from: call.from,
      requestId: call.requestId,
      ...(body.reason === undefined ? {} : { reason: body.reason }),
    };
    await audit.append({
      ...record,
      action: 'run.requested',
      outcome: 'allowed',
      subject: about,
      detail: { input: inBrief(input), dryRun },
    });
    try {
      const run = await runs.start({
        automation: name,
        input,
        trigger: triggerOf(request),
        actor: call.actor,
        dryRun,
        reason: body.reason,
        // Two people may think of the same key.
        idempotencyKey: key === undefined ? undefined : `${call.actor.id}:${name}:${planOnly ? 'plan' : 'run'}:${key}`,
      });
      await audit.append({
        ...record,
        action: 'run.started',
        outcome: 'succeeded',
        subject: { kind: 'run', id: run.id },
        detail: { automation: name, dryRun },
      });
      void reply.code(202).header('location', `${API}/runs/${encodeURIComponent(run.id)}`);
      return run;
    } catch (thrown) {
      const { code, message } = StewardError.from(thrown);
      await audit.append({
        ...record,
        action: 'run.refused',
        outcome: 'failed',
        subject: about,
        detail: { code, message },
      });
      throw thrown;
    }
  }
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

function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,200}$/.test(key)) return key;
  throw new StewardError('INPUT_INVALID', 'Idempotency-Key is not usable.', {
    problems: [{ path: 'Idempotency-Key', message: 'expected 1 to 200 printable characters without spaces' }],
    hint: 'A UUID does well.',
  });
}

function described({
  name,
  version,
  title,
  summary,
  category,
  effect,
  priority,
  ifMissed,
  needs,
  input,
  output,
  examples,
}: AnyAutomation) {
  return {
    name,
    version,
    title,
    summary,
    category,
    effect,
    priority,
    ifMissed,
    needs,
    examples,
    input: jsonSchemaOf(input, 'input'),
    output: jsonSchemaOf(output, 'output'),
  };
}
