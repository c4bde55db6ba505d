import { z } from 'zod';
import { StewardError } from '../core/errors.ts';
import { approvalPurpose, Proof } from '../core/identity.ts';
import { type AnyOperation, defineCommand, defineQuery, PageInput, pageOf } from '../core/operation.ts';
import { Run, RunStatus } from '../core/run.ts';
import { confirmed } from './confirmed.ts';
import type { OperationDeps } from './operation-deps.ts';

const id = z.string().describe('The run.');
const columns = ['id', 'automation', 'status', 'dryRun', 'trigger', 'actor.name', 'target.name', 'node', 'createdAt'];

export function runOperations({ service, logsOf, confirm }: OperationDeps): AnyOperation[] {
  const runs = defineQuery({
    name: 'runs',
    title: 'Runs',
    summary: 'Lists the runs of automations, the newest first.',
    permission: 'read',
    input: PageInput.extend({
      automation: z.string().optional().describe('Only runs of this automation.'),
      status: z
        .union([RunStatus, z.array(RunStatus)])
        .optional()
        .describe('Only runs that are in this state, or in one of these.'),
      target: z.string().optional().describe('Only runs on the resource with this id.'),
      since: z.coerce.date().optional().describe('Only runs that were started after this.'),
    }),
    output: pageOf(Run),
    cli: ['runs'],
    columns,
    handle: async ({ automation, status, target, since, limit, cursor }) =>
      await service.list({
        automation,
        status: status === undefined ? undefined : [status].flat(),
        targetId: target,
        since,
        limit,
        cursor,
      }),
  });

  const get = defineQuery({
    name: 'run-get',
    title: 'Run',
    summary: 'Shows one run: its plan, its changes with their receipts, its checks, its output or its error.',
    permission: 'read',
    input: z.object({
      id,
      waitSeconds: z.coerce
        .number()
        .min(0)
        .max(60)
        .default(0)
        .describe('Waits this long for the run to end or to ask for approval.'),
    }),
    output: Run,
    paths: ['/api/v1/runs/{id}'],
    cli: ['run', 'show'],
    cliArguments: ['id'],
    async handle({ id: runId, waitSeconds }) {
      const run =
        waitSeconds > 0 ? await service.wait(runId, { timeoutMs: waitSeconds * 1_000 }) : await service.get(runId);
      if (!run) throw new StewardError('NOT_FOUND', `There is no run ${runId}.`, { hint: 'See steward runs.' });
      return run;
    },
  });

  const logs = defineQuery({
    name: 'run-logs',
    title: "A run's log",
    summary: 'Shows what an automation said while it ran.',
    permission: 'read',
    input: z.object({
      id,
      limit: z.coerce.number().int().min(1).max(2_000).default(500).describe('At most this many lines, the last ones.'),
    }),
    output: z.object({
      items: z.array(
        z.object({ at: z.coerce.date(), level: z.string(), message: z.string(), fields: z.json().optional() }),
      ),
    }),
    paths: ['/api/v1/runs/{id}/logs'],
    cli: ['run', 'logs'],
    cliArguments: ['id'],
    columns: ['at', 'level', 'message'],
    async handle({ id: runId, limit }) {
      if (!(await service.get(runId)))
        throw new StewardError('NOT_FOUND', `There is no run ${runId}.`, { hint: 'See steward runs.' });
      return { items: (await logsOf(runId, limit)) as { at: Date; level: string; message: string }[] };
    },
  });

  const state = async ({ id: runId }: { readonly id: string }): Promise<string | undefined> =>
    (await service.get(runId))?.status;

  const approve = defineCommand({
    name: 'approve-run',
    title: 'Approve a run',
    summary:
      'Lets a run apply the plan that was shown; bound to that very plan by its hash. What destroys takes the password or a passkey.',
    permission: 'operate',
    noAgents: true,
    input: z.object({
      id,
      planHash: z.string().min(1).max(200).describe('The planHash of the plan you looked at.'),
      proof: Proof.optional().describe('Only for what destroys: that it is really you. Used and not kept.'),
    }),
    output: Run,
    paths: ['/api/v1/runs/{id}/approve'],
    cli: ['run', 'approve'],
    cliArguments: ['id', 'planHash'],
    state,
    async handle({ id: runId, planHash, proof }, { actor, from }) {
      const purpose = approvalPurpose(runId, planHash);
      const confirmation = proof && (await confirmed(confirm, { actor, proof, purpose, from }));
      return await service.approve(runId, { planHash, actor, confirmation });
    },
  });

  const reason = z.string().max(500).default('no reason given').describe('Why.');
  const reject = defineCommand({
    name: 'reject-run',
    title: 'Reject a run',
    summary: 'Ends a run that waits for approval; nothing is changed.',
    permission: 'operate',
    noAgents: true,
    input: z.object({ id, reason }),
    output: Run,
    paths: ['/api/v1/runs/{id}/reject'],
    cli: ['run', 'reject'],
    cliArguments: ['id', 'reason'],
    state,
    handle: async ({ id: runId, reason: why }, { actor }) => await service.reject(runId, { actor, reason: why }),
  });

  const cancel = defineCommand({
    name: 'cancel-run',
    title: 'Cancel a run',
    summary: 'Stops a run and takes back what it did, as far as that can be taken back.',
    permission: 'operate',
    input: z.object({ id, reason }),
    output: Run,
    paths: ['/api/v1/runs/{id}/cancel'],
    cli: ['run', 'cancel'],
    cliArguments: ['id', 'reason'],
    state,
    handle: async ({ id: runId, reason: why }, { actor }) => await service.cancel(runId, { actor, reason: why }),
  });

  return [runs, get, logs, approve, reject, cancel];
}
