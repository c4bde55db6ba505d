import { describe, expect, it } from 'vitest';
import { StewardError } from '../../core/errors.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import verifyBackups from './index.ts';

const NEVER = new AbortController().signal;

async function world(sources: readonly string[] = ['shop', 'crm']) {
  let ticks = Date.parse('2026-03-01T05:00:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local');
  for (const name of sources) ports.backups.addSource({ kind: 'sqlite', name, path: `/srv/${name}.db` }, name);
  const copy = async (source: string, more: Partial<CopyRecord> = {}): Promise<string> => {
    const id = `cp_${ports.copies.all().length + 1}`;
    const { location } = await ports.backups.make({ id, source, repository: 'local', at: now() }, { signal: NEVER });
    ports.copies.put({ id, source, repository: 'local', kind: 'sqlite', location, ...more });
    return id;
  };
  const run = (input: object = {}) => performInMemory(verifyBackups, { ports, now, input });
  const one = (id: string): CopyRecord | undefined => ports.copies.all().find((each) => each.id === id);
  return { ports, copy, run, one, later: (by: number) => void (ticks += by) };
}

describe('verify-backups', () => {
  it('reads what nobody has read, restores one source, and only that is proven', async () => {
    const { copy, run, one } = await world();
    const [first, second] = [await copy('shop'), await copy('crm')];
    const { status, output } = await run();
    expect(status).toBe('succeeded');
    expect([first, second].map((id) => one(id)?.checkedAt !== null)).toEqual([true, true]);
    expect(output?.copies.filter(({ proven }) => proven).map(({ source }) => source)).toEqual(['crm']);
    expect(one(second)).toMatchObject({ restoreMs: 5 });
    expect(one(first)?.provenAt).toBeNull();
  });

  it('takes the sources in turn: the one whose proof is the oldest', async () => {
    const { copy, run } = await world();
    await copy('shop');
    await copy('crm');
    const proven = async (): Promise<string[] | undefined> =>
      (await run()).output?.copies.filter((each) => each.proven).map(({ source }) => source);
    expect([await proven(), await proven(), await proven()]).toEqual([['crm'], ['shop'], ['crm']]);
  });

  it('restores every database when it is asked to, whatever the time', async () => {
    const { ports, copy, run } = await world();
    await copy('shop');
    await copy('crm');
    ports.copies.rule({ verificationMs: 0 });
    const { output } = await run({ restore: 'databases' });
    expect(output?.copies.every(({ proven }) => proven)).toBe(true);
    expect(output?.postponed).toEqual([]);
  });

  it('begins nothing new once its time is up, and says for what it did not suffice', async () => {
    const { ports, copy, run } = await world();
    await copy('shop');
    await copy('crm');
    ports.copies.rule({ verificationMs: 0 });
    const { status, output } = await run();
    expect(status).toBe('succeeded');
    expect(output).toMatchObject({ copies: [], postponed: ['cp_2', 'cp_1'] });
  });

  it('finds a copy that rots, takes its proof back, and looks at the others all the same', async () => {
    const { ports, copy, run, one } = await world();
    const [first, second] = [await copy('shop', { provenAt: new Date(0) }), await copy('crm')];
    ports.backups.rot({ repository: 'local', location: one(first)?.location ?? '' });
    const { status, output, checks } = await run({ restore: 'all' });
    expect(status).toBe('failed');
    expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['The copy of shop in local is proven']);
    expect(one(first)).toMatchObject({ provenAt: null, fault: 'bytes does not hold' });
    expect(one(second)?.provenAt).not.toBeNull();
    expect(output?.ok).toBe(false);
  });

  it('takes no proof back and no turn away from the others for what cannot be drilled here, and says why', async () => {
    const { ports, copy, run, one } = await world(['shop', 'crm', 'cache']);
    const first = await copy('shop');
    await copy('crm');
    const last = await copy('cache', { provenAt: new Date(0) });
    ports.backups.refuseDrills('cache', new StewardError('PRECONDITION_FAILED', 'There is no redis-server here.'));
    const runs = [await run(), await run(), await run(), await run()];
    expect(runs.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
    expect(runs.map(({ output }) => output?.copies.find(({ proven }) => proven)?.source)).toEqual([
      undefined,
      'crm',
      'shop',
      'crm',
    ]);
    const why = 'restore: There is no redis-server here.';
    expect(runs[0]?.output).toMatchObject({ ok: false });
    expect(runs[0]?.output?.copies.find(({ copy: id }) => id === last)).toMatchObject({ ok: false, notLookedAt: why });
    expect(runs[0]?.checks).toContainEqual(
      expect.objectContaining({ ok: true, evidence: expect.objectContaining({ notLookedAt: why }) }),
    );
    expect(one(last)).toMatchObject({ provenAt: new Date(0), fault: null, obstacle: why });
    expect(one(first)?.provenAt).not.toBeNull();
    // Whoever asks for this very copy wanted the proof.
    expect((await run({ copy: last })).status).toBe('failed');
    ports.backups.mend('cache');
    expect((await run({ copy: last })).status).toBe('succeeded');
    expect(one(last)).toMatchObject({ obstacle: null });
  });

  it('tries what could not be drilled again at every look, after the one whose turn it is and without reading it again', async () => {
    const { ports, copy, run, one } = await world(['shop', 'crm', 'cache']);
    await copy('shop');
    await copy('crm');
    const id = await copy('cache');
    ports.backups.refuseDrills('cache', new StewardError('DISK_FULL', 'There is no room for it.'));
    await run();
    const next = await run();
    expect(next.plan.map(({ title }) => title.split(' from ')[0])).toEqual([
      'Read and restore the copy of crm',
      'Restore the copy of cache',
    ]);
    expect(one(id)).toMatchObject({ provenAt: null, obstacle: 'restore: There is no room for it.' });
    ports.backups.mend('cache');
    expect((await run()).output?.copies.filter(({ proven }) => proven).map(({ source }) => source)).toEqual([
      'shop',
      'cache',
    ]);
    expect(one(id)).toMatchObject({ obstacle: null });
    expect((await run()).plan).toHaveLength(1);
  });

  it('leaves copies alone whose repository the configuration names no more, and their proofs', async () => {
    const { ports, copy, run, one } = await world(['shop']);
    ports.backups.addRepository('spare');
    const id = await copy('shop', { repository: 'renamed', provenAt: new Date(0) });
    const here = await copy('shop');
    const { status, output } = await run({ read: 'all', restore: 'all' });
    expect([status, output?.copies.map((each) => each.copy)]).toEqual(['succeeded', [here]]);
    expect(one(id)).toMatchObject({ provenAt: new Date(0), fault: null });
    expect((await run({ copy: id })).error).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining("'renamed'"),
    });
  });

  it('takes no proof back where the repository is renamed between the look and the turn of its copy', async () => {
    const { ports, copy, run, one } = await world(['shop']);
    const id = await copy('shop', { provenAt: new Date(0) });
    const { inspect } = ports.backups;
    ports.backups.inspect = async (...args) => {
      ports.backups.forgetRepository('local');
      return await inspect(...args);
    };
    expect((await run()).status).toBe('failed');
    expect(one(id)).toMatchObject({
      provenAt: new Date(0),
      fault: null,
      obstacle: expect.stringContaining("no repository 'local'"),
    });
  });

  it('looks once more before it calls a copy damaged: a line may have broken', async () => {
    const { ports, copy, run, one } = await world(['shop']);
    const id = await copy('shop');
    const { inspect, drill } = ports.backups;
    const broken: string[] = [];
    const once = (what: string): boolean => !broken.includes(what) && broken.push(what) > 0;
    ports.backups.inspect = async (place, layer, doing) => {
      const found = await inspect(place, layer, doing);
      if (!once(layer)) return found;
      return { ...found, ok: false, statement: 'unexpected EOF' };
    };
    ports.backups.drill = async (...args) => {
      if (once('drill')) throw new StewardError('PROGRAM_FAILED', 'restic failed (unexpected EOF).');
      return await drill(...args);
    };
    expect((await run()).status).toBe('succeeded');
    expect(broken).toEqual(['bytes', 'structure', 'drill']);
    expect(one(id)).toMatchObject({ fault: null, provenAt: expect.any(Date) });
  });

  it.each(['PROGRAM_FAILED', 'INTERNAL'] as const)(
    'takes no proof back for what is not of the copy: %s',
    async (code) => {
      const { ports, copy, run, one } = await world(['shop']);
      const id = await copy('shop', { provenAt: new Date(0) });
      ports.backups.drill = () => Promise.reject(new StewardError(code, 'tar cannot be started.'));
      expect((await run()).status).toBe('succeeded');
      expect(one(id)).toMatchObject({
        provenAt: new Date(0),
        fault: null,
        obstacle: 'restore: tar cannot be started.',
      });
    },
  );

  it('records what the first try found, where the time of the run does not suffice for the second', async () => {
    const { ports, copy, one } = await world(['shop']);
    const id = await copy('shop', { provenAt: new Date(0) });
    const limit = new AbortController();
    let tries = 0;
    ports.backups.drill = async () => {
      tries += 1;
      if (tries === 1) throw new StewardError('VERIFICATION_FAILED', 'a row is missing');
      limit.abort(new StewardError('TIMEOUT', 'Applying took longer than 1h.'));
      throw new StewardError('CANCELED', 'The program was ended.');
    };
    const { status } = await performInMemory(verifyBackups, { ports, input: {}, signal: limit.signal });
    expect([status, tries]).toEqual(['failed', 2]);
    expect(one(id)).toMatchObject({ provenAt: null, fault: 'a row is missing' });
  });

  it('lets the next source have its turn after a drill that never ended', async () => {
    const { ports, copy, run } = await world(['shop', 'crm']);
    await copy('shop');
    await copy('crm');
    const { drill } = ports.backups;
    ports.backups.drill = () => Promise.reject(new StewardError('CANCELED', 'The run took too long.'));
    expect((await run()).status).not.toBe('succeeded');
    ports.backups.drill = drill;
    expect((await run()).output?.copies.filter(({ proven }) => proven).map(({ source }) => source)).toEqual(['shop']);
  });

  it('fails where nothing at all could be looked at', async () => {
    const { ports, copy, run, one } = await world(['shop']);
    const id = await copy('shop');
    ports.backups.inspect = () => Promise.reject(new StewardError('UNAVAILABLE', 'The disk is not there.'));
    const { status, checks } = await run();
    expect(status).toBe('failed');
    expect(checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual(['Any copy could be looked at']);
    expect(one(id)).toMatchObject({ fault: null, checkedAt: null, obstacle: 'bytes: The disk is not there.' });
  });

  it('reports that all is well only where it is: nothing postponed, nothing missing, places that answer and have room', async () => {
    const { ports, copy, run } = await world();
    await copy('shop');
    const report = async (input: object = { restore: 'all', read: 'all' }) => (await run(input)).output;
    expect(await report()).toMatchObject({ ok: false, complete: false, missing: ['crm in local'] });
    await copy('crm');
    expect(await report()).toMatchObject({ ok: true, complete: true, repositories: [{ ok: true, room: 'enough' }] });

    const { state } = ports.backups;
    ports.backups.state = async (...args) => ({ ...(await state(...args)), freeBytes: 9 });
    expect(await report()).toMatchObject({ ok: false, complete: true, repositories: [{ ok: true, room: 'short' }] });
    ports.copies.rule({ nearlyFull: 95 });
    expect(await report()).toMatchObject({ ok: true });
    ports.backups.state = () => Promise.reject(new StewardError('UNAVAILABLE', 'The disk is not there.'));
    expect(await report()).toMatchObject({
      ok: false,
      repositories: [{ ok: false, room: 'unknown', message: 'The disk is not there.' }],
    });
    ports.backups.state = state;
    ports.backups.objectLock = async () => ({ state: 'unlocked', message: 'its bucket has no object lock' });
    expect(await report()).toMatchObject({
      ok: false,
      repositories: [{ ok: false, room: 'enough', message: 'its bucket has no object lock' }],
    });
    ports.backups.objectLock = async () => undefined;
    // A place that no source goes to was never made, and nobody misses it.
    ports.backups.addRepository('spare');
    for (const source of ports.backups.sources()) (source as { repositories?: string[] }).repositories = ['local'];
    expect((await report())?.repositories.map(({ name }) => name)).toEqual(['local']);

    ports.copies.rule({ verificationMs: 0 });
    expect(await report({ read: 'new' })).toMatchObject({ ok: false, complete: false, copies: [] });
  });

  it('says which source has no copy at all', async () => {
    const { copy, run } = await world();
    await copy('shop');
    const { status, output } = await run();
    expect(status).toBe('succeeded');
    expect(output?.missing).toEqual(['crm in local']);
  });

  it('looks at one kind of sources, in the words of people', async () => {
    const { ports, copy, run } = await world(['shop']);
    ports.backups.addSource({ kind: 'files', name: 'etc', paths: ['/etc'] }, 'etc');
    await copy('shop');
    await copy('etc', { kind: 'files' });
    const { output } = await run({ targets: ['configuration'], restore: 'all' });
    expect([output?.copies.map(({ source }) => source), output?.missing]).toEqual([['etc'], []]);
    expect((await run({ targets: ['floppies'] })).error).toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('reads all copies whatever the time, those first that nobody has read for longest, and says what is left for the next time', async () => {
    const { ports, copy, run } = await world(['shop']);
    ports.copies.rule({ verificationMs: 0 });
    for (let day = 1; day <= 402; day += 1) await copy('shop', { checkedAt: new Date(day * 1_000) });
    const { status, output } = await run({ read: 'all' });
    expect([status, output?.copies.length]).toEqual(['succeeded', 400]);
    // The newest is restored, so it comes first; of the others the two that were read last wait.
    expect(output?.copies[0]).toMatchObject({ copy: 'cp_402', proven: true });
    expect(output?.postponed).toEqual(['cp_400', 'cp_401']);
  });
});
