import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Of each project what takes longest: nothing else is left to do beside what is begun last. By the log of a run. */
export const LONGEST = [
  'src/adapters/repositories/restic/s3.integration.test.ts',
  'src/adapters/migrations/migrations.integration.test.ts',
  'src/adapters/repositories/restic/sftp.integration.test.ts',
  'src/adapters/sources/postgres/postgres.integration.test.ts',
  'src/adapters/repositories/restic/restic.integration.test.ts',
  'src/own-state.integration.test.ts',
  'src/engine/recovery.integration.test.ts',
  'src/store/bundled-postgres.integration.test.ts',
  'src/engine/chain-crash.integration.test.ts',
  'src/adapters/sources/mysql/mysql.integration.test.ts',
  'src/adapters/repositories/restic/damage.integration.test.ts',
  'src/adapters/sources/files/files.integration.test.ts',
  'src/adapters/systemd/systemd.integration.test.ts',
  'src/adapters/docker/docker.integration.test.ts',
  'src/engine/cancel.integration.test.ts',
  // What may take only so long, beside what mostly waits.
  'test/chaos-engine.test.ts',
  'test/heartbeats.integration.test.ts',
  'test/game-day.integration.test.ts',
  'test/healing-crashes.integration.test.ts',
  'test/two-nodes.test.ts',
  'test/healing-systemd.integration.test.ts',
  'test/nodes.integration.test.ts',
  'test/backup-crashes.integration.test.ts',
  'test/healing-host.integration.test.ts',
  'test/migration-crashes.integration.test.ts',
  'test/healing-problems.integration.test.ts',
  'test/mcp/mcp.integration.test.ts',
  'test/alert-storms.integration.test.ts',
  'test/bad-luck.integration.test.ts',
];

/** The projects one after another as they are ordered, and in each group the longest files first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const group = ({ project }: TestSpecification): number => project.config.sequence.groupOrder;
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((path) => moduleId.endsWith(`/${path}`));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((one, other) => group(one) - group(other) || rank(one) - rank(other));
  }
}
