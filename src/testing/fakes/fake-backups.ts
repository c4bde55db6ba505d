import { createHash } from 'node:crypto';
import type { LayerResult, Manifest } from '../../core/backup/copy.ts';
import { Retention } from '../../core/backup/retention.ts';
import { BackupRepository } from '../../core/backup/repository.ts';
import { BackupSource } from '../../core/backup/source.ts';
import { StewardError } from '../../core/errors.ts';
import type { BackupsPort, CopyPlace } from '../../core/ports/backups.ts';
import type { BackupRules, CopiesPort, CopyRecord } from '../../core/ports/copies.ts';

export interface FakeBackups extends BackupsPort {
  /** A source with data in it. */
  addSource(source: Record<string, unknown>, data?: string): void;
  addRepository(name: string, options?: { readonly appendOnly?: boolean; readonly objectLock?: boolean }): void;
  /** From now on the configuration names it no more; what it holds stays. */
  forgetRepository(name: string): void;
  /** What is in the source now. */
  dataOf(source: string): string | undefined;
  write(source: string, data: string): void;
  /** From now on it cannot be examined, or be read only halfway. */
  breakSource(source: string, how: 'examine' | 'copy'): void;
  mend(source: string): void;
  /** What the server at this address says it is, to whoever asks by this name. */
  answers(address: string, server: string): void;
  /** From now on no copy of it can be drilled here. */
  refuseDrills(source: string, why: StewardError): void;
  /** Flips a byte of what is kept. */
  rot(place: Pick<CopyPlace, 'repository' | 'location'>): void;
  /** What repositories hold, sealed or not. */
  held(): readonly { readonly repository: string; readonly id: string; readonly data: string }[];
}

interface Held {
  readonly repository: string;
  readonly id: string;
  readonly source: string;
  readonly location: string;
  data: string;
  readonly manifest: Manifest;
}

const sum = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Sources and repositories in memory: what was copied is what comes back, unless it rots. */
export function fakeBackups({ now }: { readonly now: () => Date }): FakeBackups {
  const sources: BackupSource[] = [];
  let repositories: BackupRepository[] = [];
  const data = new Map<string, string>();
  const broken = new Map<string, 'examine' | 'copy'>();
  const undrilled = new Map<string, StewardError>();
  const servers = new Map<string, string>();
  let held: Held[] = [];

  const heldAt = ({ repository, location }: Pick<CopyPlace, 'repository' | 'location'>): Held => {
    if (!repositories.some(({ name }) => name === repository))
      throw new StewardError('PRECONDITION_FAILED', `The configuration has no repository '${repository}'.`);
    const found = held.find((each) => each.repository === repository && each.location === location);
    if (found) return found;
    throw new StewardError('NOT_FOUND', `There is nothing whole at ${location} in ${repository}.`);
  };
  const layer = (name: LayerResult['layer'], ok: boolean): LayerResult => ({
    layer: name,
    ok,
    statement: ok ? `${name} holds` : `${name} does not hold`,
    durationMs: 5,
  });
  const sound = (one: Held): boolean => sum(one.data) === one.manifest.contents.checksum;

  return {
    addSource(source, content = 'rows') {
      const parsed = BackupSource.parse(source);
      sources.push(parsed);
      data.set(parsed.name, content);
    },
    addRepository: (name, { appendOnly = false, objectLock } = {}) =>
      void repositories.push(
        BackupRepository.parse(
          objectLock === undefined
            ? { kind: 'directory', name, path: `/backups/${name}`, appendOnly }
            : { kind: 'restic', name, url: `s3:https://s3.example.org/${name}`, appendOnly, objectLock },
        ),
      ),
    forgetRepository(name) {
      repositories = repositories.filter((each) => each.name !== name);
    },
    dataOf: (source) => data.get(source),
    write: (source, content) => void data.set(source, content),
    breakSource: (source, how) => void broken.set(source, how),
    answers: (address, server) => void servers.set(address, server),
    mend: (source) => void (broken.delete(source), undrilled.delete(source)),
    refuseDrills: (source, why) => void undrilled.set(source, why),
    rot(place) {
      heldAt(place).data += '!';
    },
    held: () => held.map(({ repository, id, data: content }) => ({ repository, id, data: content })),

    sources: () => sources,
    repositories: () => repositories,
    async examine(source) {
      const problem =
        broken.get(source) === 'examine' ? { message: `${source} does not answer`, hint: 'Start it.' } : undefined;
      return {
        parts: [source],
        leftOut: [],
        estimatedBytes: data.get(source)?.length,
        tools: {},
        ...(problem && { problem }),
      };
    },
    async serverOf(name) {
      const source = sources.find((each) => each.name === name);
      return source && 'host' in source ? servers.get(`${source.host}:${source.port}`) : undefined;
    },
    state: async () => ({ ok: true, encrypted: false, freeBytes: 90, totalBytes: 100, locks: [] }),
    objectLock: async () => undefined,
    renewLock: async () => undefined,
    tidy: async () => ({ removed: [], unlocked: [] }),
    async make({ id, source, repository, at }, { signal }) {
      signal.throwIfAborted();
      const there = held.find((each) => each.id === id && each.repository === repository);
      if (there) return { location: there.location, storedBytes: there.data.length, manifest: there.manifest };
      if (broken.get(source) === 'copy')
        throw new StewardError('UNAVAILABLE', `${source} went away while it was read.`, { retryable: false });
      const content = data.get(source) ?? '';
      const contents = { items: 1, total: content.length, checksum: sum(content) };
      const part = { name: `${source}.dump`, kind: 'dump' as const, bytes: content.length, sha256: sum(content) };
      const manifest: Manifest = {
        format: 'steward-copy/1',
        copy: id,
        source: { name: source, kind: 'files' },
        node: 'memory',
        startedAt: at.toISOString(),
        snapshotAt: now().toISOString(),
        endedAt: now().toISOString(),
        tools: {},
        leftOut: [],
        parts: [{ ...part, storedBytes: content.length }],
        contents,
      };
      const location = `${source}/${id}`;
      held.push({ repository, id, source, location, data: content, manifest });
      return { location, storedBytes: content.length, manifest };
    },
    manifest: async (place) => heldAt(place).manifest,
    inspect: async (place, name) => layer(name, sound(heldAt(place))),
    async *entries(place) {
      yield { path: heldAt(place).manifest.parts[0]?.name ?? '', kind: 'file', bytes: heldAt(place).data.length };
    },
    async drill(place, _owner, { signal }) {
      signal.throwIfAborted();
      const one = heldAt(place);
      const why = undrilled.get(one.source);
      if (why) throw why;
      return { layers: [layer('restore', true), layer('content', sound(one))] };
    },
    async occupied({ source }, to) {
      const at = to.kind === 'original' ? source : to.kind === 'folder' ? to.path : to.name;
      return data.has(at) ? [at] : [];
    },
    async restore(place, to, { signal, lease }) {
      signal.throwIfAborted();
      const one = heldAt(place);
      await lease?.();
      data.set(to.kind === 'original' ? place.source : to.kind === 'folder' ? to.path : to.name, one.data);
      const kept = to.kind === 'original' ? [`${place.source} before`] : [];
      return { what: [place.source], durationMs: 5, kept };
    },
    putBack: async () => undefined,
    async discard(_place, kept, { signal }) {
      signal.throwIfAborted();
      return kept;
    },
    compare: async (place) => layer('content', data.get(place.source) === heldAt(place).data),
    async remove({ repository, location }, { signal }) {
      signal.throwIfAborted();
      held = held.filter((each) => each.repository !== repository || each.location !== location);
    },
    async compact(_repository, { signal }) {
      signal.throwIfAborted();
    },
    sweep: async () => [],
  };
}

export interface FakeCopies extends CopiesPort {
  rule(rules: Partial<BackupRules>): void;
  /** A copy that was made before. */
  put(copy: Partial<CopyRecord> & Pick<CopyRecord, 'id' | 'source' | 'repository'>): void;
  all(): readonly CopyRecord[];
}

/** The record in memory, with its promises. */
export function fakeCopies({ now }: { readonly now: () => Date }): FakeCopies {
  let rows: CopyRecord[] = [];
  let rules: BackupRules = {
    retention: Retention.parse({}),
    maxAgeMs: 7 * 86_400_000,
    verificationMs: 300_000,
    verifyAll: false,
    nearlyFull: 90,
  };
  const change = (id: string, from: readonly CopyRecord['status'][], values: Partial<CopyRecord>): void => {
    rows = rows.map((row) => (row.id === id && from.includes(row.status) ? { ...row, ...values } : row));
  };
  const fresh = (copy: Parameters<FakeCopies['put']>[0]): CopyRecord => ({
    sequence: rows.length + 1,
    kind: 'files',
    node: 'memory',
    runId: 'run_before',
    status: 'complete',
    location: `${copy.source}/${copy.id}`,
    startedAt: now(),
    snapshotAt: now(),
    endedAt: now(),
    bytes: 4,
    storedBytes: 4,
    contents: null,
    error: null,
    provenAt: null,
    checkedAt: null,
    unsure: null,
    restoreMs: null,
    fault: null,
    triedAt: null,
    obstacle: null,
    ...copy,
  });
  return {
    rule: (more) => void (rules = { ...rules, ...more }),
    put: (copy) => void rows.push(fresh(copy)),
    all: () => rows,

    rules: () => rules,
    find: async ({ source, repository, status, id }) =>
      rows
        .filter(
          (row) =>
            (source === undefined || row.source === source) &&
            (repository === undefined || row.repository === repository) &&
            (status === undefined || row.status === status) &&
            (id === undefined || row.id === id),
        )
        .toSorted((a, b) => b.sequence - a.sequence),
    async begin(copy) {
      const known = rows.find(({ id }) => id === copy.id);
      if (known) {
        change(copy.id, ['failed'], { status: 'writing', error: null });
        return { ...known, first: false };
      }
      const row = fresh({ ...copy, status: 'writing', location: null, snapshotAt: null, endedAt: null, bytes: null });
      rows.push(row);
      return { ...row, first: true };
    },
    async complete(id, { location, storedBytes, manifest }) {
      const bytes = manifest.parts.reduce((total, part) => total + part.bytes, 0);
      const snapshotAt = new Date(manifest.snapshotAt);
      change(id, ['writing', 'failed'], {
        status: 'complete',
        location,
        storedBytes,
        bytes,
        snapshotAt,
        endedAt: now(),
        contents: manifest.contents,
      });
    },
    fail: async (id, error) => change(id, ['writing'], { status: 'failed', error, endedAt: now() }),
    trying: async (id) => change(id, ['complete'], { triedAt: now() }),
    async looked(id, results, obstacle) {
      const wrong = results.find(({ ok }) => !ok);
      const restored = results.find(({ layer }) => layer === 'restore');
      change(id, ['complete'], {
        ...(results.some(({ layer }) => layer === 'bytes') && { checkedAt: now() }),
        ...(wrong && { provenAt: null, fault: wrong.statement }),
        ...(!wrong &&
          restored &&
          obstacle === undefined && { provenAt: now(), restoreMs: restored.durationMs, fault: null }),
        ...((wrong || restored || obstacle !== undefined) && { triedAt: now(), obstacle: obstacle ?? null }),
      });
    },
    removed: async (id) => change(id, ['complete', 'failed'], { status: 'removed' }),
  };
}
