import { StewardError } from '../../core/errors.ts';
import type { ProcessesPort } from '../../core/ports/processes.ts';
import type { KeptRecipe, RecipesPort } from '../../core/ports/recipes.ts';
import type { LaunchRecipe } from '../../core/resource.ts';

export interface FakeRecipes extends RecipesPort {
  keep(
    resourceId: string,
    recipe: LaunchRecipe,
    more?: { env?: Record<string, string>; part?: Partial<KeptRecipe> },
  ): void;
  forget(resourceId: string): void;
}

const CAPTURED = new Date('2026-11-20T00:00:00Z');

/** Recipes in memory, for the processes of one machine. */
export function fakeRecipes({
  processes,
}: {
  readonly processes: Pick<ProcessesPort, 'list' | 'launch'>;
}): FakeRecipes {
  const held = new Map<string, { recipe: LaunchRecipe; env: Record<string, string>; kept: KeptRecipe }>();
  return {
    keep(resourceId, recipe, { env = {}, part = {} } = {}) {
      const kept: KeptRecipe = {
        origin: 'captured',
        shown: recipe,
        startedAt: CAPTURED,
        capturedAt: CAPTURED,
        variables: Object.keys(env),
        missing: [],
        fingerprint: JSON.stringify([recipe, env]),
        ...part,
      };
      held.set(resourceId, { recipe, env, kept });
    },
    forget: (resourceId) => void held.delete(resourceId),
    kept: async (resourceId) => held.get(resourceId)?.kept,
    async running(resourceId) {
      const wanted = held.get(resourceId)?.recipe;
      const all = await processes.list();
      return all.filter(
        ({ executable, argv, cwd, uid, state }) =>
          state !== 'Z' &&
          wanted !== undefined &&
          executable === wanted.executable &&
          argv.join('\0') === wanted.argv.join('\0') &&
          cwd === wanted.cwd &&
          uid === wanted.uid,
      );
    },
    async launch(resourceId) {
      const one = held.get(resourceId);
      if (!one || one.kept.problem)
        throw new StewardError(
          'PRECONDITION_FAILED',
          one?.kept.problem?.message ?? 'It is not kept how it is started.',
        );
      return await processes.launch(one.recipe, { env: one.env, outputPath: `${resourceId}.log` });
    },
  };
}
