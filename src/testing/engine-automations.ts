import { open, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type AnyAutomation, defineAutomation } from '../core/automation.ts';
import type { JsonObject } from '../core/json.ts';
import type { AnyWorkflow, WorkflowStep } from '../core/workflow.ts';
import { appendLines } from './engine.ts';

/** One line more, on the disk before it is believed: what a killed process has really done. */
async function note(file: string, line: string): Promise<void> {
  const handle = await open(file, 'a');
  try {
    await handle.write(`${line}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const told = async (file: string): Promise<string> => await readFile(file, 'utf8').catch(() => '');

/** Touches no machine, so that any node may go on with it. */
export const appendAnywhere = defineAutomation({ ...appendLines, name: 'append-anywhere', placement: 'any' });

/** Heavy on the disk, so that two of them do not work at once on a node. */
export const heavyLines = defineAutomation({ ...appendLines, name: 'heavy-lines', load: 'io' });

/** Acts once per run or never: asks right before whether it still may. Deaf to its signal, like a program that cannot be stopped. */
export const fakeRestore = defineAutomation({
  name: 'fake-restore',
  version: 1,
  title: 'Pretend to restore',
  summary: 'Writes that it restored something.',
  category: 'backup',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'write',
  load: 'light',
  needs: [],
  placement: 'any',
  input: z.object({ file: z.string(), pauseMs: z.number() }),
  output: z.object({ acted: z.number() }),
  examples: [],
  safeguards: { timeout: '2m', retry: { attempts: 1, backoff: '1ms' } },
  analyze: async () => ({}),
  plan: async () => ['prepare', 'restore', 'tidy'].map((id) => ({ id, title: id, undo: 'none' as const })),
  async execute(ctx, { id }) {
    const { file, pauseMs } = ctx.input;
    await note(file, `${id} begins on ${ctx.node.id}`);
    if (id === 'restore') {
      await sleep(pauseMs);
      const fence = await ctx.lease();
      await note(file, `acted on ${ctx.node.id} with fence ${fence}`);
    }
    return {};
  },
  verify: async (ctx) => [{ name: 'it acted', ok: (await told(ctx.input.file)).includes('acted on') }],
  record: () => ({ acted: 1 }),
});

/** Ten changes that tell on the disk what they did; some start a real child for it. */
export const chaosLines = defineAutomation({
  name: 'chaos-lines',
  version: 1,
  title: 'Change ten things',
  summary: 'Writes ten lines, some of them beside a child process.',
  category: 'maintenance',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'write',
  load: 'light',
  needs: ['programs'],
  input: z.object({
    file: z.string(),
    mark: z.string(),
    children: z.array(z.number()),
    pauseMs: z.number(),
    childMs: z.number().optional(),
    target: z.string(),
  }),
  output: z.object({ written: z.number() }),
  examples: [],
  safeguards: { timeout: '30s', retry: { attempts: 1, backoff: '1ms' } },
  target: async (input, inventory) => await inventory.resolve(input.target),
  analyze: async () => ({}),
  plan: async () =>
    Array.from({ length: 10 }, (_, index) => ({
      id: `c${index}`,
      title: `change ${index}`,
      undo: 'automatic' as const,
    })),
  async execute(ctx, { id }, { attempt }) {
    const { file, mark, children, pauseMs, childMs = pauseMs } = ctx.input;
    await note(file, `begin ${id} ${attempt}`);
    if (children.includes(Number(id.slice(1)))) {
      await ctx.ports.programs.run({
        program: 'sleep',
        args: [String(childMs / 1000)],
        env: { STEWARD_CHAOS: mark },
        timeoutMs: 20_000,
        signal: ctx.signal,
      });
    } else await sleep(pauseMs, undefined, { signal: ctx.signal });
    await note(file, `end ${id} ${attempt}`);
    return { attempt };
  },
  async verify(ctx, { applied }) {
    const text = await told(ctx.input.file);
    return applied.map(({ change }) => ({ name: `${change.id} happened`, ok: text.includes(`end ${change.id} `) }));
  },
  record: ({ applied }) => ({ written: applied.length }),
  async rollback(ctx, { id }) {
    await note(ctx.input.file, `undo ${id}`);
  },
});

/** Three runs, one after the other, each of which any node may go on with. */
const slowChain: AnyWorkflow = {
  name: 'slow-chain',
  version: 1,
  title: 'Slow chain',
  summary: 'Appends lines in three steps.',
  priority: 'P3',
  ifMissed: 'Nothing.',
  origin: 'user',
  triggers: [],
  steps: ['one', 'two', 'three'].map((id) => ({
    id,
    title: id,
    automation: 'append-anywhere',
    input: ({ context }) => ({ file: context['file'], lines: [`${id}-a`, `${id}-b`], pauseMs: context['pauseMs'] }),
  })),
};

const line = (id: string, more: JsonObject = {}): WorkflowStep => ({
  id,
  title: id,
  automation: 'append-anywhere',
  input: { file: { from: 'context.file' }, lines: [id], pauseMs: { from: 'context.pauseMs', default: 0 }, ...more },
});
const chainOf = (name: string, more: Pick<AnyWorkflow, 'steps'> & Partial<AnyWorkflow>): AnyWorkflow => ({
  ...slowChain,
  name,
  ...more,
});

/** Chains that are data, as those of a configuration are. */
export const testWorkflows: readonly AnyWorkflow[] = [
  slowChain,
  chainOf('breaking-chain', {
    steps: [line('one', { pauseMs: 0 }), line('fails', { failAt: 'fails' })],
    onError: [line('clean'), line('told')],
  }),
  chainOf('waiting-chain', {
    steps: [line('before'), { id: 'heard', title: 'heard', wait: { event: 'user.registered' } }, line('after')],
  }),
  chainOf('quiet-chain', {
    triggers: [{ kind: 'event', event: 'user.*', debounce: '6s' }],
    steps: [line('quiet')],
  }),
];

export const testAutomations: readonly AnyAutomation[] = [appendAnywhere, heavyLines, fakeRestore, chaosLines];
