import type { RecipesPort } from '../../core/ports/recipes.ts';
import type { RecipeKeeper } from '../../core/recipe-keeper.ts';
import type { RecipesDeps } from './deps.ts';
import { createKeeper } from './keeper.ts';
import { createRecipesPort } from './port.ts';

/**
 * Keeps how bare processes are started, sealed, and starts them again. Discovery writes, restart-service uses it; it has
 * no loop of its own.
 */
export function createRecipes(deps: RecipesDeps): { keeper: RecipeKeeper; port: RecipesPort } {
  return { keeper: createKeeper(deps), port: createRecipesPort(deps) };
}
