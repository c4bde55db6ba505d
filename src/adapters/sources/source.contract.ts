import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { ContentItem } from '../../core/backup/copy.ts';
import type { Restored, RestoreTarget, SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import type { SourceKind, SourceOf } from '../../core/backup/source.ts';
import type { CopyStore } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import { makeCopy } from '../../testing/backup/make-copy.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { compareContents, readContents } from './contents.ts';

/** One kind of source with something real behind it. Names in it should be as hostile as its kind allows. */
export interface SourceUnderTest<Kind extends SourceKind> {
  readonly reader: SourceReader<Kind>;
  readonly source: SourceOf<Kind>;
  readonly scratch: string;
  /** An empty folder for the copies. */
  readonly store: string;
  /** All that is there, as another program than Steward tells it. */
  state(): Promise<unknown>;
  /** A disaster: what is there differs afterwards, and something is gone. */
  ruin(): Promise<void>;
  /** Where else a copy can go, and where nothing is yet. */
  readonly elsewhere: RestoreTarget;
  /** A restore over the original is refused with this code, and this said. */
  readonly refuses?: { readonly code: string; readonly says: RegExp } | undefined;
}

const doing = { signal: new AbortController().signal };

/**
 * What every kind of source has to do, whatever is behind it: src/core/backup/reader.ts. The world is made once; each case takes
 * it as the one before left it, since servers are slow to start.
 */
export function sourceContract<Kind extends SourceKind>(make: () => Promise<SourceUnderTest<Kind>>): void {
  let at: SourceUnderTest<Kind>;
  let store: CopyStore;
  let copy: SealedCopy;
  let before: unknown;

  beforeAll(async () => {
    at = await make();
    store = plainStore(at.store);
  }, 240_000);

  const leftIn = (): string[] => (existsSync(at.scratch) ? readdirSync(at.scratch) : []);
  const drilled = async (of: SealedCopy): Promise<readonly boolean[]> => {
    const sandbox = await at.reader.sandbox(at.source, of, { scratch: at.scratch, owner: 'run_1', prove: true }, doing);
    try {
      if (!sandbox.restore.ok) return [false];
      const layers = [sandbox.restore, await sandbox.content(doing), ...(await sandbox.assertions(doing)).layers];
      return layers.map(({ ok }) => ok);
    } finally {
      await sandbox.end();
      await sandbox.end();
    }
  };

  /** What a restore kept is told, and goes once, when nobody wants it back. */
  const discarded = async (kept: readonly string[]): Promise<void> => {
    expect(kept.length).toBeGreaterThan(0);
    if (!at.reader.discard) return;
    expect((await at.reader.discard(at.source, kept, doing)).length).toBeGreaterThan(0);
    expect(await at.reader.discard(at.source, kept, doing)).toEqual([]);
  };

  it('says what goes into a copy, makes it, and leaves the original and the scratch folder alone', async () => {
    const facts = await at.reader.examine(at.source, doing);
    expect(facts.problem).toBeUndefined();
    expect(facts.parts.length).toBeGreaterThan(0);
    before = await at.state();
    copy = await makeCopy(at.reader, at.source, store, doing);
    expect(await at.state()).toEqual(before);
    expect(copy.manifest.source).toEqual({ name: at.source.name, kind: at.source.kind });
    expect(copy.manifest.contents.items).toBeGreaterThan(0);
    expect(leftIn()).toEqual([]);
  }, 240_000);

  it('says the same of itself by whatever name it is reached, where it is a server', async () => {
    if (!('host' in at.source)) return expect(at.reader.server).toBeUndefined();
    const said = await at.reader.server?.(at.source, doing);
    expect(said).toMatch(/\S/);
    expect(await at.reader.server?.({ ...at.source, name: 'other', host: 'localhost' }, doing)).toBe(said);
  });

  it('is proven by a restore into a throw-away place that leaves nothing', async () => {
    expect(await at.reader.structure(copy, doing)).toMatchObject({ layer: 'structure', ok: true });
    expect(await drilled(copy)).not.toContain(false);
    expect(leftIn()).toEqual([]);
    expect(await at.state()).toEqual(before);
  }, 240_000);

  it('is not proven where what comes back is not what was recorded', async () => {
    const items: ContentItem[] = [];
    for await (const item of readContents(copy, doing)) items.push(item);
    // Where nothing is hashed there is nothing to find.
    const position = items.findIndex(({ checksum, count }) => checksum !== null && count > 0);
    const altered = items.map((item, index) => (index === position ? { ...item, count: item.count + 1 } : item));
    expect(await drilled(withContents(copy, altered))).toContain(false);
    expect(leftIn()).toEqual([]);
  }, 240_000);

  it('is not proven with one wrong byte, and is not put anywhere', async () => {
    const [part] = copy.manifest.parts.filter(({ kind }) => kind !== 'contents').toSorted((a, b) => b.bytes - a.bytes);
    const file = join(at.store, copy.location, part?.name ?? '');
    const good = readFileSync(file);
    const bad = Buffer.from(good);
    const middle = Math.floor(bad.length / 2);
    bad[middle] = (bad[middle] ?? 0) ^ 0x10;
    writeFileSync(file, bad);
    try {
      expect(await store.check(copy.location, doing)).toMatchObject({ ok: false });
      expect(await drilled(copy)).toContain(false);
      if (!at.refuses) {
        await expect(at.reader.restore(at.source, copy, { kind: 'original' }, doing)).rejects.toBeInstanceOf(
          StewardError,
        );
        expect(await at.state()).toEqual(before);
      }
      expect(leftIn()).toEqual([]);
    } finally {
      writeFileSync(file, good);
    }
  }, 240_000);

  it('goes elsewhere, where nothing is, and touches nothing of the original', async () => {
    expect(await at.reader.occupied(at.source, copy, at.elsewhere, doing)).toEqual([]);
    const { what } = await at.reader.restore(at.source, copy, at.elsewhere, doing);
    expect(what.length).toBeGreaterThan(0);
    expect((await at.reader.occupied(at.source, copy, at.elsewhere, doing)).length).toBeGreaterThan(0);
    // What came there meanwhile is refused, or kept whole beside it. In a server it is always refused.
    const again = await at.reader.restore(at.source, copy, at.elsewhere, doing).catch((thrown: unknown) => thrown);
    if (again instanceof Error || at.elsewhere.kind === 'database') expect(again).toMatchObject({ code: 'CONFLICT' });
    else await discarded((again as Restored).kept ?? []);
    expect(await at.state()).toEqual(before);
    expect(leftIn()).toEqual([]);
  }, 240_000);

  it('goes over the original after a disaster, and back where what was there is kept', async () => {
    if (at.refuses) {
      const { code, says } = at.refuses;
      const tried = at.reader.restore(at.source, copy, { kind: 'original' }, doing);
      await expect(tried).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
      return;
    }
    await at.ruin();
    const ruined = await at.state();
    expect(ruined).not.toEqual(before);
    const lease = (): Promise<never> => Promise.reject(new StewardError('LEASE_LOST', 'Another has taken over.'));
    const late = at.reader.restore(at.source, copy, { kind: 'original' }, { ...doing, lease });
    await expect(late).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await at.state()).toEqual(ruined);
    const { kept = [] } = await at.reader.restore(at.source, copy, { kind: 'original' }, doing);
    expect(await at.state()).toEqual(before);
    const found = at.reader.contents(at.source, doing, copy);
    expect(await compareContents(readContents(copy, doing), found, at.reader.compares)).toMatchObject({ ok: true });
    if (at.reader.undo) {
      expect(kept.length).toBeGreaterThan(0);
      await expect(at.reader.undo(at.source, kept, { ...doing, lease })).rejects.toMatchObject({ code: 'LEASE_LOST' });
      expect(await at.state()).toEqual(before);
      const undone = await at.reader.undo(at.source, kept, doing);
      expect(await at.state()).toEqual(ruined);
      const again = await at.reader.restore(at.source, copy, { kind: 'original' }, doing);
      expect(await at.state()).toEqual(before);
      const all = [...(undone.kept ?? []), ...(again.kept ?? [])];
      await discarded(all);
    } else if (kept.length > 0) {
      await discarded(kept);
    }
    expect(await at.state()).toEqual(before);
    expect(leftIn()).toEqual([]);
  }, 240_000);

  it('ends what a dead process left, and nothing of the living', async () => {
    const sandbox = await at.reader.sandbox(
      at.source,
      copy,
      { scratch: at.scratch, owner: 'run_1', prove: true },
      doing,
    );
    const [folder = ''] = leftIn();
    expect(await at.reader.sweep('all-dead', at.scratch, doing)).toEqual([]);
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    // As a process of another life of this machine would have left it.
    const file = join(at.scratch, folder, 'owner.json');
    const owner = JSON.parse(readFileSync(file, 'utf8')) as { process: object };
    writeFileSync(file, JSON.stringify({ ...owner, process: { ...owner.process, bootId: 'another-boot' } }));
    expect(await at.reader.sweep('all-dead', at.scratch, doing)).toContain(join(at.scratch, folder));
    expect(leftIn()).toEqual([]);
    await sandbox.end();
  }, 240_000);

  it('leaves nothing of a copy that is canceled', async () => {
    const signal = AbortSignal.abort();
    await expect(makeCopy(at.reader, at.source, store, { signal })).rejects.toBeInstanceOf(Error);
    expect(leftIn()).toEqual([]);
    expect((await store.list(doing)).map(({ location }) => location)).toEqual([copy.location]);
    expect(readdirSync(at.store).filter((name) => name.startsWith('.'))).toEqual([]);
  }, 240_000);
}

/** The same copy, with another record of what was counted. */
function withContents(copy: SealedCopy, items: readonly ContentItem[]): SealedCopy {
  const read: CopyStore['read'] = (location, part, during) =>
    part.kind === 'contents' ? lines(items) : copy.store.read(location, part, during);
  return { ...copy, store: { ...copy.store, read } };
}

async function* lines(items: readonly ContentItem[]): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`[\n${items.map((item) => JSON.stringify(item)).join(',\n')}\n]\n`);
}
