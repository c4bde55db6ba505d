import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { pickSet, SetInput } from '../../core/migration/pick.ts';
import { obstaclesOf, type Standing, standingOf } from '../../core/migration/standing.ts';
import { defineQuery } from '../../core/operation.ts';
import type { MigrationSet, MigrationsPort } from '../../core/ports/migrations.ts';
import type { System } from '../../core/system.ts';

const StandingView = z.object({
  set: z.string().describe('Name of the migrations.'),
  version: z.string().optional(),
  name: z.string().optional(),
  state: z
    .enum(['applied', 'pending', 'out-of-order', 'changed', 'missing', 'failed', 'running', 'unknown'])
    .describe('changed, missing: since it was applied; failed: it stayed half-done; unknown: nobody could look.'),
  file: z.string().optional(),
  appliedAt: z.coerce.date().optional(),
  seconds: z.number().optional(),
  runId: z.string().optional(),
  message: z.string().optional().describe('What is to be settled, and how, before anything is applied.'),
});

/** Shows how files and record stand. Whatever changes a database or its record is a run. */
export function createMigrationsView({
  migrations,
}: {
  readonly migrations: Pick<MigrationsPort, 'sets' | 'read' | 'look'>;
}): System {
  async function viewOf(set: MigrationSet): Promise<z.input<typeof StandingView>[]> {
    const files = await migrations.read(set.folder, set.source);
    const { rows, lockedBy } = await migrations.look(set, { signal: AbortSignal.timeout(LOOK_MS) });
    return standingOf(files, rows).map((standing) => rowOf(set, standing, lockedBy));
  }

  return {
    name: 'migrations',
    jobs: [],
    operations: [
      defineQuery({
        name: 'migrations',
        title: 'Migrations',
        summary: 'How the migrations of each database stand: applied, pending, changed or missing since, half-done.',
        permission: 'read',
        input: SetInput,
        output: z.object({ items: z.array(StandingView) }),
        cli: ['migrations'],
        cliArguments: ['name'],
        columns: ['set', 'version', 'name', 'state', 'appliedAt', 'file', 'message'],
        async handle(input) {
          const asked = Object.values(input).some((value) => value !== undefined);
          if (asked) return { items: await viewOf(pickSet(migrations.sets(), input)) };
          // One database that cannot be reached does not hide the others.
          const each = migrations.sets().map((set) => viewOf(set).catch((thrown: unknown) => [unseen(set, thrown)]));
          return { items: (await Promise.all(each)).flat() };
        },
      }),
    ],
    start: async () => undefined,
    stop: async () => undefined,
  };
}

const LOOK_MS = 30_000;

function rowOf(set: MigrationSet, standing: Standing, lockedBy: string | undefined): z.input<typeof StandingView> {
  const { version, name, state, file, applied } = standing;
  const [obstacle] = obstaclesOf([standing], set);
  const running = state === 'running' && lockedBy !== undefined;
  const message = running
    ? `${lockedBy} is at it: ${applied?.done} of ${applied?.total} statements ran`
    : obstacle && `${obstacle.message}. ${obstacle.hint}`;
  return {
    set: set.name,
    version,
    name,
    state,
    ...(file !== null && { file }),
    ...(applied && { appliedAt: applied.appliedAt, seconds: applied.durationMs / 1_000, runId: applied.run }),
    ...(message !== undefined && { message }),
  };
}

function unseen(set: MigrationSet, thrown: unknown): z.input<typeof StandingView> {
  const { message, hint } = StewardError.from(thrown);
  return { set: set.name, state: 'unknown', message: [message, hint].filter(Boolean).join(' ') };
}
