import { describe, expect, it } from 'vitest';
import { type FakeFiles, fakeFiles } from '../../testing/fakes/fake-files.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import cleanTempFiles from './index.ts';

const now = (): Date => new Date('2026-03-31T03:30:00Z');
const day = (days: number): Date => new Date(now().getTime() - days * 86_400_000);
const old = { modifiedAt: day(30), accessedAt: day(20) };
const aBatch: unknown = expect.stringMatching(/^\/tmp\/\.steward-quarantine\/batch-[0-9a-f]{16}$/);

function folder(): FakeFiles {
  const files = fakeFiles({ roots: ['/tmp'], now });
  files.mkdir('/tmp', { modifiedAt: day(0) });
  return files;
}
const clean = (
  files: FakeFiles,
  options: {
    dryRun?: boolean;
    beforeApply?: () => void;
    input?: { olderThan?: string; protect?: string[]; roots?: string[] };
  } = {},
) =>
  performInMemory(cleanTempFiles, { ports: { files }, now, ...options, input: { roots: ['/tmp'], ...options.input } });

describe('clean-temp-files', () => {
  it('sets aside what nobody used for a week, files and whole folders', async () => {
    const files = folder();
    files.write('/tmp/old.log', '12345', old);
    files.mkdir('/tmp/build', old);
    files.write('/tmp/build/deep/object.o', '123', old);
    for (const path of ['/tmp/build', '/tmp/build/deep']) files.mkdir(path, old);

    const run = await clean(files);

    expect(run).toMatchObject({ status: 'succeeded', output: { moved: 2, bytes: 8, quarantine: [aBatch] } });
    const [batch] = run.output?.quarantine ?? [];
    expect(files.exists('/tmp/old.log')).toBe(false);
    expect(files.exists(`${batch}/build/deep/object.o`)).toBe(true);
    expect((await files.stat('/tmp/.steward-quarantine'))?.mode).toBe(0o700);
  });

  it.each<[string, (files: FakeFiles) => void]>([
    ['read lately', (files) => void files.write('/tmp/x', '', { ...old, accessedAt: day(6.9) })],
    ['written lately', (files) => void files.write('/tmp/x', '', { ...old, modifiedAt: day(6.9) })],
    [
      'a folder with one young file',
      (files) => {
        files.mkdir('/tmp/x', old);
        files.write('/tmp/x/a', '', old);
        files.write('/tmp/x/b', '');
      },
    ],
    [
      'held open',
      (files) => {
        files.write('/tmp/x', '', old);
        files.setOpen('/tmp/x', true);
      },
    ],
    [
      'a folder of which one file is open',
      (files) => {
        files.mkdir('/tmp/x', old);
        files.write('/tmp/x/a', '', old);
        files.setOpen('/tmp/x/a', true);
      },
    ],
    ['a socket', (files) => void files.write('/tmp/x', '', { ...old, kind: 'other' })],
    [
      'a folder with a pipe',
      (files) => {
        files.mkdir('/tmp/x', old);
        files.write('/tmp/x/p', '', { ...old, kind: 'other' });
      },
    ],
    ['a link', (files) => void files.link('/tmp/x', '/etc/passwd')],
    ['a mount', (files) => void files.mkdir('/tmp/x', { ...old, device: 7 })],
    [
      'a folder nobody may read',
      (files) => {
        files.mkdir('/tmp/x', old);
        files.forbid('/tmp/x');
      },
    ],
  ])('leaves alone what is %s', async (_what, make) => {
    const files = folder();
    make(files);
    const run = await clean(files);
    expect(run).toMatchObject({ status: 'succeeded', plan: [], output: { moved: 0 } });
    expect(Object.values(run.output?.left ?? {})).toEqual([1]);
    expect(files.exists('/tmp/x')).toBe(true);
  });

  it.each(['.X11-unix', 'systemd-private-abc', 'ssh-agent', 'tmux-0', 'steward-home', 'mine'])(
    'leaves %s alone, however old',
    async (name) => {
      const files = folder();
      files.mkdir(`/tmp/${name}`, old);
      expect(await clean(files, { input: { protect: ['mine'] } })).toMatchObject({
        plan: [],
        output: { left: { protected: 1 } },
      });
    },
  );

  it('touches nothing in a dry run', async () => {
    const files = folder();
    files.write('/tmp/old', 'x', old);
    const run = await clean(files, { dryRun: true });
    expect(run.plan).toMatchObject([{ from: '/tmp/old', to: expect.stringMatching(/\/old$/), undo: 'automatic' }]);
    expect(files.exists('/tmp/.steward-quarantine')).toBe(false);
  });

  it('plans the same again while nothing changed, so that a plan can be started by its token', async () => {
    const files = folder();
    files.write('/tmp/old', 'x', old);
    const [first, second] = [await clean(files, { dryRun: true }), await clean(files, { dryRun: true })];
    expect(second.plan).toEqual(first.plan);
    files.write('/tmp/older', 'x', old);
    expect((await clean(files, { dryRun: true })).plan).not.toEqual(first.plan);
  });

  it('looks again before it moves: what was opened, or replaced, since the plan stays', async () => {
    const files = folder();
    for (const name of ['opened', 'replaced', 'idle']) files.write(`/tmp/${name}`, 'x', old);
    let planned = false;
    const lying: FakeFiles = {
      ...files,
      async openPaths(paths) {
        const open = await files.openPaths(paths);
        return planned && paths.includes('/tmp/opened') ? new Set([...open, '/tmp/opened']) : open;
      },
      async makeDirectory(path) {
        await files.makeDirectory(path);
      },
    };
    const run = await performInMemory(cleanTempFiles, {
      ports: {
        files: {
          ...lying,
          async list(path) {
            const entries = await files.list(path);
            if (planned) files.write('/tmp/replaced', 'another', old);
            return entries;
          },
          async openPaths(paths) {
            // Several at once is the look around; one at a time is the look before a move.
            planned = true;
            return paths.length > 1 ? files.openPaths(paths) : lying.openPaths(paths);
          },
        },
      },
      now,
      input: { roots: ['/tmp'] },
    });
    expect(run).toMatchObject({ status: 'succeeded', output: { moved: 1, left: { 'in use': 1, gone: 1 } } });
    expect(files.exists('/tmp/opened')).toBe(true);
    expect(files.exists('/tmp/replaced')).toBe(true);
  });

  it('puts everything back when a move fails halfway', async () => {
    const files = folder();
    for (const [name, age] of [
      ['a', 30],
      ['b', 20],
      ['c', 10],
    ] as const)
      files.write(`/tmp/${name}`, name, { modifiedAt: day(age), accessedAt: day(age) });
    const full = {
      ...files,
      async move(from: string, to: string) {
        if (from === '/tmp/b') throw new Error('the disk broke');
        await files.move(from, to);
      },
    };
    const run = await clean(full);
    expect(run).toMatchObject({ status: 'rolled-back', error: { phase: 'execute' } });
    expect(['a', 'b', 'c'].map((name) => files.exists(`/tmp/${name}`))).toEqual([true, true, true]);
  });

  it('fails, and takes back, where a move says yes and does nothing', async () => {
    const files = folder();
    files.write('/tmp/old', 'x', old);
    const run = await clean({ ...files, move: async () => {} });
    expect(run).toMatchObject({ status: 'rolled-back', error: { code: 'VERIFICATION_FAILED' } });
    expect(files.exists('/tmp/old')).toBe(true);
  });

  it('puts nothing into a quarantine that somebody else laid out', async () => {
    const files = folder();
    files.mkdir('/tmp/.steward-quarantine', { uid: 1000, mode: 0o777 });
    files.write('/tmp/old', 'x', old);
    expect(await clean(files)).toMatchObject({
      status: 'rolled-back',
      error: { code: 'PRECONDITION_FAILED', message: expect.stringContaining('belongs to somebody else') },
    });
    expect(files.exists('/tmp/old')).toBe(true);
  });

  it('refuses folders that the configuration does not give it', async () => {
    expect(await clean(folder(), { input: { roots: ['/home'] } })).toMatchObject({
      status: 'failed',
      error: { phase: 'validate' },
    });
  });

  it('moves at most 500 at a time, the longest unused first', async () => {
    const files = folder();
    for (let index = 0; index < 520; index += 1)
      files.write(`/tmp/f${index}`, '', { modifiedAt: day(10 + index), accessedAt: day(10 + index) });
    const run = await clean(files, { dryRun: true });
    expect(run.plan).toHaveLength(500);
    expect(run.plan[0]).toMatchObject({ from: '/tmp/f519' });
  });
});
