import { z } from 'zod';
import type { Trigger } from '../core/actor.ts';
import { type AnyOperation, type Call, defineCommand } from '../core/operation.ts';
import { Run } from '../core/run.ts';
import type { AboutRun } from '../core/run-service.ts';
import { secretInput } from '../core/secret-input.ts';
import type { OperationDeps } from './operation-deps.ts';

const about = z.object({
  id: z.string().describe('The run that ended.'),
  reason: z.string().trim().min(1).max(500).optional().describe('Why; it stands in the record.'),
});

/** What can be asked of a run that ended. Agents may ask too: policy decides about each as about any run. */
export function followUpOperations({ service }: OperationDeps): AnyOperation[] {
  const followUp = (
    verb: 'undo' | 'resume' | 'repeat',
    title: string,
    summary: string,
    ask: (id: string, options: AboutRun) => Promise<Run>,
  ): AnyOperation =>
    defineCommand({
      name: `${verb}-run`,
      title,
      summary,
      permission: 'operate',
      input: about,
      output: Run,
      paths: [`/api/v1/runs/{id}/${verb}`],
      cli: ['run', verb],
      cliArguments: ['id'],
      columns: ['id', 'automation', 'status'],
      handle: async ({ id, reason }, call) => await ask(id, { actor: call.actor, trigger: triggerOf(call), reason }),
    });

  return [
    followUp(
      'undo',
      'Take a run back',
      'Takes the changes of a finished run back, last first, as a run of its own; what would destroy waits for a person.',
      (id, options) => service.undo(id, options),
    ),
    followUp(
      'resume',
      'Go on with a run',
      'Goes on from the change that failed: what was done stays, and only the rest is planned and done.',
      (id, options) => service.resume(id, options),
    ),
    followUp(
      'repeat',
      'Run again',
      'Starts the same automation with the same input once more, with a plan of its own.',
      (id, options) => service.repeat(id, options),
    ),
    defineCommand({
      name: 'create-plan-token',
      title: 'Token for a plan',
      summary:
        'Gives a token, valid once and for 15 minutes, that starts exactly the plan of a dry run; policy decides about that run all the same.',
      permission: 'operate',
      input: z.object({ id: z.string().describe('The dry run.') }),
      output: z.object({
        token: secretInput(z.string()).describe('Shown once. Send it as planToken with the same input.'),
        planHash: z.string(),
        expiresAt: z.coerce.date(),
      }),
      paths: ['/api/v1/runs/{id}/plan-token'],
      cli: ['run', 'plan-token'],
      cliArguments: ['id'],
      handle: async ({ id }, { actor }) => await service.planToken(id, { actor }),
    }),
  ];
}

function triggerOf({ trigger, from, actor }: Call): Trigger {
  return trigger ?? (from === 'local' ? 'cli' : actor.session === undefined ? 'api' : 'dashboard');
}
