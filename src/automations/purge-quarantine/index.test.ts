import { describe, expect, it } from 'vitest';
import { type FakeFiles, fakeFiles } from '../../testing/fakes/fake-files.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import purgeQuarantine from './index.ts';

const now = (): Date => new Date('2026-03-31T03:30:00Z');
const day = (days: number): Date => new Date(now().getTime() - days * 86_400_000);
const quarantine = '/tmp/.steward-quarantine';

function folder(): FakeFiles {
  const files = fakeFiles({ roots: ['/tmp'], now });
  for (const [run, age] of [
    ['run_old', 8],
    ['run_new', 6],
  ] as const) {
    files.write(`${quarantine}/${run}/tree/file`, '12345');
    files.write(`${quarantine}/${run}/other`, '123');
    files.mkdir(`${quarantine}/${run}`, { modifiedAt: day(age) });
  }
  return files;
}
const purge = (files: FakeFiles, dryRun = false) =>
  performInMemory(purgeQuarantine, { ports: { files }, now, dryRun, input: {} });

describe('purge-quarantine', () => {
  it('removes what was set aside more than a week ago and keeps the rest', async () => {
    const files = folder();
    expect(await purge(files)).toMatchObject({ status: 'succeeded', output: { batches: 1, entries: 3, bytes: 8 } });
    expect(files.exists(`${quarantine}/run_old`)).toBe(false);
    expect(files.exists(`${quarantine}/run_new/tree/file`)).toBe(true);
  });

  it('shows first what it would remove, and that this cannot be taken back', async () => {
    const files = folder();
    const run = await purge(files, true);
    expect(run.plan).toMatchObject([
      { path: `${quarantine}/run_old`, undo: 'none', title: expect.stringContaining('3 entries') },
    ]);
    expect(files.exists(`${quarantine}/run_old/tree/file`)).toBe(true);
  });

  it('leaves alone what another user put there', async () => {
    const files = folder();
    files.mkdir(`${quarantine}/run_old`, { modifiedAt: day(8), uid: 1000 });
    expect((await purge(files)).plan).toEqual([]);
  });

  it('has nothing to do where nothing was ever set aside', async () => {
    expect(await purge(fakeFiles({ roots: ['/tmp'], now }))).toMatchObject({ status: 'succeeded', plan: [] });
  });

  it('goes on where a try before it stopped', async () => {
    const files = folder();
    let failures = 1;
    const shaky = {
      ...files,
      async remove(path: string, inode: number) {
        if (path.endsWith('other') && failures-- > 0) throw new Error('the disk broke');
        return await files.remove(path, inode);
      },
    };
    expect(await purge(shaky)).toMatchObject({ status: 'failed' });
    expect(await purge(shaky)).toMatchObject({ status: 'succeeded' });
    expect(files.exists(`${quarantine}/run_old`)).toBe(false);
  });

  it('fails where removing says yes and does nothing', async () => {
    expect(await purge({ ...folder(), remove: async () => true })).toMatchObject({
      status: 'failed',
      error: { code: 'VERIFICATION_FAILED' },
    });
  });
});
