import { z } from 'zod';
import { Mode, ModeRecord } from '../core/mode.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../core/operation.ts';
import type { OperationDeps } from './operation-deps.ts';

const Loop = z.object({
  id: z.string(),
  kind: z.enum(['cycle', 'no-change']).describe('It starts itself again, or it does the same again to no effect.'),
  message: z.string(),
  cycle: z
    .array(z.object({ kind: z.enum(['run', 'workflow', 'event']), name: z.string(), id: z.string() }))
    .describe('In the order in which it happened; the last one is what was refused.'),
  refused: z.number().int().describe('How often something was refused because of it.'),
  brokenAt: z.coerce.date(),
  refusedAt: z.coerce.date(),
  expiresAt: z.coerce.date().describe('When it may go on by itself.'),
  releasedBy: z.string().optional(),
  releasedAt: z.coerce.date().optional(),
});

/** What keeps Steward itself in hand: the kill switch, and the loops that it cut. */
export function modeOperations({ service, loops }: OperationDeps): AnyOperation[] {
  return [
    defineQuery({
      name: 'mode',
      title: 'Mode',
      summary: 'Shows whether Steward acts, only observes, or is stopped, and who said so.',
      permission: 'read',
      input: NoInput,
      output: ModeRecord,
      cli: ['mode'],
      handle: async () => await service.mode(),
    }),
    defineCommand({
      name: 'set-mode',
      title: 'Set the mode',
      summary:
        'The kill switch: stopped cancels what runs and lets nothing that changes begin; observe-only plans and applies nothing. Releasing takes an administrator.',
      permission: 'operate',
      noAgents: true,
      input: z.object({
        mode: Mode.describe('What Steward may do from now on, on every node.'),
        reason: z.string().trim().min(1).max(500).default('no reason given').describe('Why; it stands in the record.'),
      }),
      output: ModeRecord,
      examples: [{ title: 'Stop everything', input: { mode: 'stopped', reason: 'the disk array fails' } }],
      cli: ['mode'],
      cliArguments: ['mode'],
      state: async () => (await service.mode()).mode,
      handle: async ({ mode, reason }, { actor }) => await service.setMode(mode, { actor, reason }),
    }),
    defineQuery({
      name: 'loops',
      title: 'Broken loops',
      summary: 'Shows the loops that Steward cut because automation fed on itself, with the cycle of each.',
      permission: 'read',
      input: NoInput,
      output: z.object({ items: z.array(Loop) }),
      columns: ['id', 'kind', 'message', 'refused', 'expiresAt'],
      handle: async () => ({ items: await loops.list() }),
    }),
    defineCommand({
      name: 'release-loop',
      title: 'Release a loop',
      summary: 'Lets a loop that was cut go on before its hour is over.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ id: z.string().describe('The loop.') }),
      output: Loop,
      paths: ['/api/v1/loops/{id}/release'],
      cli: ['loop', 'release'],
      cliArguments: ['id'],
      handle: async ({ id }, { actor }) => await loops.release(id, actor),
    }),
  ];
}
