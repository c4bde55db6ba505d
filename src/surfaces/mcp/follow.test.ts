import { describe, expect, it } from 'vitest';
import type { Run } from '../../core/run.ts';
import { followRun } from './follow.ts';

const run = (more: Partial<Run>): Run => ({
  id: 'run_1',
  automation: 'sweep-floor',
  version: 1,
  status: 'running',
  dryRun: false,
  trigger: 'mcp',
  actor: { kind: 'token', id: 't', name: 't', role: 'agent' },
  causation: {},
  node: 'n1',
  input: {},
  phases: [],
  changes: [],
  checks: [],
  createdAt: new Date(0),
  ...more,
});

/** A run that is another each time somebody looks. */
function unfolding(states: readonly Run[]) {
  let at = 0;
  const canceled: string[] = [];
  return {
    canceled,
    get: async () => states[0],
    async wait(_id: string, { signal }: { signal?: AbortSignal | undefined }) {
      signal?.throwIfAborted();
      at = Math.min(at + 1, states.length - 1);
      return states[at] ?? run({});
    },
  };
}

describe('following a run', () => {
  const executing = run({
    phases: [{ phase: 'execute', startedAt: new Date(0) }],
    changes: [
      { id: 'a', title: 'A', undo: 'none', status: 'done', attempts: 1 },
      { id: 'b', title: 'B', undo: 'none', status: 'running', attempts: 1 },
    ],
    progress: { done: 3, total: 10, message: 'sweeping' },
  });

  it('tells what changes, once, until its end', async () => {
    const told: string[] = [];
    const end = await followRun(
      unfolding([run({ status: 'queued' }), executing, executing, run({ status: 'succeeded' })]),
      'run_1',
      { waitSeconds: 30, signal: new AbortController().signal, progress: async (message) => void told.push(message) },
    );
    expect(end.status).toBe('succeeded');
    expect(told).toEqual(['queued', 'running, execute, 1 of 2 changes, sweeping, 3 of 10', 'succeeded']);
  });

  it('stops where it waits for a person', async () => {
    const waiting = unfolding([run({}), run({ status: 'waiting-approval' }), run({ status: 'succeeded' })]);
    const signal = new AbortController().signal;
    expect((await followRun(waiting, 'run_1', { waitSeconds: 30, signal, progress: undefined })).status).toBe(
      'waiting-approval',
    );
  });

  it('gives up with the client, and leaves the run alone', async () => {
    const gone = new AbortController();
    gone.abort();
    const runs = unfolding([run({}), run({ status: 'succeeded' })]);
    expect((await followRun(runs, 'run_1', { waitSeconds: 30, signal: gone.signal, progress: undefined })).status).toBe(
      'running',
    );
  });

  it('looks once where nobody wants to wait', async () => {
    const signal = new AbortController().signal;
    expect(
      (await followRun(unfolding([run({})]), 'run_1', { waitSeconds: 0, signal, progress: undefined })).status,
    ).toBe('running');
    await expect(
      followRun({ get: async () => undefined, wait: async () => run({}) }, 'run_x', {
        waitSeconds: 0,
        signal,
        progress: undefined,
      }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
