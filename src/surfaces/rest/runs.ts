import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import type { Catalog } from '../../core/catalog.ts';
import type { Run } from '../../core/run.ts';
import type { RunService } from '../../core/run-service.ts';
import { parseInput } from '../input.ts';
import { assertMay } from '../perform.ts';
import { automationOf, startRun } from '../start-run.ts';
import { callOf, triggerOf } from './access.ts';
import { detailOf } from './automation-detail.ts';
import { RunRequest } from './requests.ts';
import { API } from './routes.ts';

export interface RunRoutesDeps {
  readonly catalog: Catalog;
  readonly runs: RunService;
  readonly audit: AuditLog;
  readonly now: () => Date;
}

/** One automation as clients need it, and starting it: a run, or its plan only. */
export function mountRuns(app: FastifyInstance, { catalog, runs, audit, now }: RunRoutesDeps): void {
  app.get<{ Params: { name: string } }>(`${API}/automations/:name`, async (request) => {
    const automation = automationOf({ catalog }, request.params.name);
    await assertMay(callOf(request, now()), 'read', { kind: 'automation', id: automation.name }, audit);
    return detailOf(automation);
  });
  app.post<{ Params: { name: string } }>(`${API}/automations/:name/runs`, (request, reply) =>
    start(request, reply, request.params.name, false),
  );
  app.post<{ Params: { name: string } }>(`${API}/automations/:name/plan`, (request, reply) =>
    start(request, reply, request.params.name, true),
  );

  async function start(request: FastifyRequest, reply: FastifyReply, name: string, planOnly: boolean): Promise<Run> {
    const call = callOf(request, now());
    automationOf({ catalog }, name);
    const body = parseInput(RunRequest, request.body ?? {});
    const run = await startRun(
      { catalog, runs, audit },
      {
        name,
        input: body.input ?? {},
        trigger: triggerOf(request),
        dryRun: planOnly || body.dryRun,
        reason: body.reason,
        planToken: body.planToken,
        place: body.place,
        idempotencyKey: idempotencyKey(request),
      },
      call,
    );
    void reply.code(202).header('location', `${API}/runs/${encodeURIComponent(run.id)}`);
    return run;
  }
}

function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key'];
  return key === undefined ? undefined : [key].flat().join(' ');
}
