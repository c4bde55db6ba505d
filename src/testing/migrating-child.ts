import { BackupSource } from '../core/backup/source.ts';
import { createMigrations } from '../adapters/migrations/index.ts';
import { createPrograms } from '../adapters/programs/index.ts';

// A process that applies one migration, for tests that kill it in its midst: what it has not committed nobody commits for it.

const { source, folder, version, direction, password } = JSON.parse(process.argv[2] ?? '') as {
  source: unknown;
  folder: string;
  version: string;
  direction: 'up' | 'down';
  password: string;
};
const parsed = BackupSource.parse(source);
const migrations = createMigrations({
  sources: () => [parsed],
  sets: () => [],
  repositories: () => [],
  storeOf: () => {
    throw new Error('There is no repository.');
  },
  readers: [],
  scratch: folder,
  secrets: async () => password,
  programs: createPrograms({ environment: { PATH: process.env['PATH'] } }),
  now: () => new Date(),
});
const migration = (await migrations.read(folder, parsed.name)).find((each) => each.version === version);
if (!migration) throw new Error(`There is no ${version}.`);
const target = { source: parsed.name };
const doing = { signal: new AbortController().signal };
const expects = (await migrations.look(target, doing)).rows.map((row) => row.version);
const limits = { lockTimeoutMs: 5_000, statementTimeoutMs: 0 };
await migrations.step({ target, migration, direction, expects, run: 'run_killed', waitMs: 0, ...limits }, doing);
