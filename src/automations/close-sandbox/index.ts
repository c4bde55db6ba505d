import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';

export default defineAutomation({
  name: 'close-sandbox',
  version: 1,
  title: 'Close a sandbox',
  summary: 'Ends a sandbox before its time is up, and removes what was restored into it.',
  category: 'backup',
  effect: 'write',
  priority: 'P3',
  ifMissed: 'it goes when its time is up',
  load: 'light',
  needs: ['sandboxes'],
  cli: ['backup', 'close-sandbox'],
  cliArguments: ['sandbox'],
  input: z.object({
    sandbox: z.string().min(1).describe('Id of the sandbox, as `steward backup sandboxes` shows it.'),
  }),
  output: z.object({ sandbox: z.string(), source: z.string() }),
  examples: [{ title: 'One that nobody needs any more', input: { sandbox: 'sb_etc' } }],
  safeguards: { timeout: '2m', retry: { attempts: 2, backoff: '5s' } },

  async analyze({ input, ports }) {
    const open = ports.sandboxes.list().find(({ id }) => id === input.sandbox);
    return { open: open ? { source: open.source, connect: open.connect } : null };
  },

  async validate({ input }, { open }) {
    return [
      {
        name: `The sandbox ${input.sandbox.slice(0, 100)} is open on this machine`,
        ok: open !== null,
        evidence: {
          hint: 'steward backup sandboxes shows those that are. They end with their time, and with Steward.',
        },
      },
    ];
  },

  async plan({ input }, { open }) {
    if (!open) return [];
    return [
      {
        id: input.sandbox.slice(0, 200),
        title: `Close the sandbox of ${open.source}`,
        detail: open.connect,
        reason: 'What was changed in it is lost; the copy and the original stay as they are.',
        undo: 'none' as const,
      },
    ];
  },

  async execute({ input, ports }) {
    return { closed: await ports.sandboxes.close(input.sandbox) };
  },

  async verify({ input, ports }) {
    const there = ports.sandboxes.list().some(({ id }) => id === input.sandbox);
    return [{ name: 'The sandbox is gone', ok: !there, evidence: { sandbox: input.sandbox } }];
  },

  record: ({ facts: { open }, applied }) => ({
    sandbox: applied[0]?.change.id ?? '',
    source: open?.source ?? '',
  }),
});
