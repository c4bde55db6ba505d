// A tree of 20,000 files through Steward's restic repository, beside restic alone on the same tree: first, and after a few changes. Once
// with small files alone, of which each costs the most beside its bytes, and once with such as people have.
import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOutbound } from '../src/adapters/outbound/outbound.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { createCopyStore } from '../src/adapters/repositories/index.ts';
import { createFilesReader } from '../src/adapters/sources/files/index.ts';
import type { Manifest } from '../src/core/backup/copy.ts';
import type { SourceReader } from '../src/core/backup/reader.ts';
import { BackupRepository } from '../src/core/backup/repository.ts';
import { FilesSource } from '../src/core/backup/source.ts';
import type { CopyStore } from '../src/core/backup/store.ts';
import { memoryLog } from '../src/testing/log.ts';
import { fillTree, sizeOfFile } from './parts/fixture.ts';
import { type BenchResult, median, report, RUNS, SCALE } from './result.ts';

const FILES = 20_000 * SCALE;
const CHANGED = 200 * SCALE;
const TREES = [
  { name: 'of 8 KiB each', bytes: () => 8 * 1024 },
  { name: 'of all sizes', bytes: sizeOfFile },
] as const;
const GOAL = 1.05;
/** Files that were just written are looked at more closely than those that a machine has had for a while. */
const AT_REST_MS = 60_000;

const home = await mkdtemp(join(tmpdir(), 'steward-bench-'));
const doing = { signal: new AbortController().signal };

function alone(tree: string, repository: string, key: string): number {
  const startedAt = performance.now();
  execFileSync('restic', ['--quiet', '--repo', repository, '--password-file', key, 'backup', tree], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, RESTIC_CACHE_DIR: join(home, 'peer-cache') },
  });
  return performance.now() - startedAt;
}

const programs = createPrograms({ environment: process.env });

/** All that a backup does but its record. */
async function throughSteward(
  tree: string,
  store: CopyStore,
  reader: SourceReader<'files'>,
  id: string,
): Promise<number> {
  const source = FilesSource.parse({ kind: 'files', name: 'tree', paths: [tree] });
  const startedAt = performance.now();
  const at = new Date();
  await store.prepare(doing);
  const writer = await store.begin({ id, source: 'tree', at, first: true }, doing);
  const { snapshotAt, ...copied } = await reader.copy(source, writer, doing);
  if (copied.contents.items <= FILES) throw new Error(`${copied.contents.items} files and folders of ${FILES} files`);
  const manifest: Manifest = {
    format: 'steward-copy/1',
    copy: id,
    source: { name: source.name, kind: source.kind },
    node: 'bench',
    snapshotAt: snapshotAt.toISOString(),
    startedAt: at.toISOString(),
    endedAt: new Date().toISOString(),
    tools: copied.tools,
    leftOut: [...copied.leftOut],
    parts: [...copied.parts],
    contents: copied.contents,
  };
  await writer.seal(manifest);
  return performance.now() - startedAt;
}

const results: BenchResult[] = [];
for (const { name, bytes } of TREES) {
  const tree = join(home, name.replaceAll(' ', '-'));
  await fillTree(tree, FILES, bytes);
  await sleep(AT_REST_MS);
  const times = await measure(tree, () => fillTree(tree, CHANGED, bytes));
  results.push(
    result(`${FILES} files ${name}, the first copy`, times.first, times.firstAlone),
    result(`${FILES} files ${name}, ${CHANGED} of them changed`, times.next, times.nextAlone),
  );
  await rm(tree, { recursive: true });
}
await rm(home, { recursive: true });
report(results);

async function measure(tree: string, change: () => Promise<void>) {
  const times = { first: [] as number[], firstAlone: [] as number[], next: [] as number[], nextAlone: [] as number[] };
  for (let run = 0; run < RUNS; run++) {
    const peer = `${tree}.alone-${run}`;
    const url = `${tree}.steward-${run}`;
    const repository = BackupRepository.parse({ kind: 'restic', name: `${basename(tree)}-${run}`, url });
    const store = createCopyStore(repository, {
      programs,
      outbound: createOutbound(),
      secrets: async () => '',
      home,
      node: 'bench',
      now: () => new Date(),
      log: memoryLog(),
    });
    // A first copy knows nothing of any other.
    const cache = `${tree}.cache-${run}`;
    const reader = createFilesReader({ programs, cache, scratch: join(home, 'scratch'), now: () => new Date() });
    await store.prepare(doing);
    // The same repository with the same key, which is as hard to derive, for both.
    await cp(url, peer, { recursive: true });
    const ours = (id: 'first' | 'next') => async () =>
      void times[id].push(await throughSteward(tree, store, reader, id));
    const peers = (id: 'firstAlone' | 'nextAlone') => () =>
      void times[id].push(alone(tree, peer, join(home, 'backup-keys', repository.name)));
    const inTurn = async (one: () => unknown, other: () => unknown): Promise<void> => {
      // Whoever comes second finds the files in memory.
      for (const each of run % 2 === 0 ? [one, other] : [other, one]) await each();
    };
    await inTurn(ours('first'), peers('firstAlone'));
    await change();
    await inTurn(ours('next'), peers('nextAlone'));
    for (const path of [peer, url]) await rm(path, { recursive: true });
  }
  return times;
}

function result(figure: string, ours: readonly number[], peers: readonly number[]): BenchResult {
  const [value, peer] = [median(ours) / 1000, median(peers) / 1000];
  const ratio = value / peer;
  return {
    name: 'backup-files',
    figure,
    unit: 's',
    value,
    runs: RUNS,
    peer: { name: 'restic alone', value: peer },
    ratio,
    goal: `at most ${GOAL} times restic alone`,
    ok: ratio <= GOAL,
  };
}
