import type { Selectable } from 'kysely';
import { z } from 'zod';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import { LaunchRecipe } from '../../core/resource.ts';
import type { Vault } from '../../core/vault.ts';
import type { RecipesTables } from './tables.ts';

export type RecipeRow = Selectable<RecipesTables['launch_recipes']>;

/** What is sealed: everything that decides what would run, so that nobody changes it in the database either. */
export const Secret = z.object({ recipe: LaunchRecipe, environment: z.record(z.string(), z.string()) });
export type Secret = z.output<typeof Secret>;

const contextOf = (node: string, resourceId: string): string => `launch-recipe ${node} ${resourceId}`;

export function seal(vault: Vault, secret: Secret, { node, resourceId }: { node: string; resourceId: string }) {
  const text = JSON.stringify(Secret.parse(secret));
  return {
    key_id: vault.keyId,
    fingerprint: vault.fingerprint(text),
    sealed: vault.seal(text, contextOf(node, resourceId)),
  };
}

/** Undefined where the key is another one, or somebody altered the row. */
export function unseal(vault: Vault, { sealed, node, resource_id }: RecipeRow): Secret | undefined {
  const text = vault.open(sealed, contextOf(node, resource_id));
  return text === undefined ? undefined : Secret.parse(JSON.parse(text));
}

/** One start of a process and no other. */
export function startOf({ bootId, pid, startTicks }: ProcessIdentity): string {
  return `${bootId}:${pid}:${startTicks}`;
}
