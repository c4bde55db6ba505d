import { StewardError } from '../../core/errors.ts';
import type { ConfiguredService } from '../../core/inventory-writer.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { KeptRecipe, RecipesPort } from '../../core/ports/recipes.ts';
import type { LaunchRecipe } from '../../core/resource.ts';
import type { RecipesDeps } from './deps.ts';
import { type RecipeRow, type Secret, startOf, unseal } from './rows.ts';
import type { RecipesTables } from './tables.ts';

export function createRecipesPort({ store, vault, keyFile, processes, configured, node }: RecipesDeps): RecipesPort {
  const db = store.db.withTables<RecipesTables>();

  const rowOf = async (resourceId: string): Promise<RecipeRow | undefined> =>
    await db.selectFrom('launch_recipes').selectAll().where('resource_id', '=', resourceId).executeTakeFirst();

  // Only its own node has the key.
  const problemOf = (row: RecipeRow): KeptRecipe['problem'] =>
    row.node !== node.id || unseal(vault, row) ? undefined : whyClosed(row);

  function whyClosed(row: RecipeRow): NonNullable<KeptRecipe['problem']> {
    const again = `Or start ${row.service} by hand: what is seen of it then is kept anew with the next discovery.`;
    if (row.key_id === vault.keyId) {
      return {
        message: `What is kept to start ${row.service} was altered in the database and is not used.`,
        hint: `Find out who writes to Steward's database. ${again}`,
      };
    }
    return {
      message: `What is kept to start ${row.service} was sealed with the key ${row.key_id}, and ${keyFile} holds ${vault.keyId}.`,
      hint: `Put the former ${keyFile} back from a backup. ${again}`,
    };
  }

  async function usable(resourceId: string): Promise<{ service: ConfiguredService; secret: Secret }> {
    const row = await rowOf(resourceId);
    const refused = (message: string, hint: string): StewardError =>
      new StewardError('PRECONDITION_FAILED', message, { hint });
    if (!row || row.node !== node.id) {
      throw refused(
        `It is not kept how ${resourceId} is started.`,
        'Start it by hand: with restart: process in steward.yaml the next discovery keeps how.',
      );
    }
    // The configuration of this very moment: who took consent back need not wait for the next discovery.
    const service = configured().find(({ name }) => name === row.service);
    if (service?.restart !== 'process')
      throw refused(`The configuration no longer lets Steward start ${row.service}.`, 'Set restart: process for it.');
    const secret = unseal(vault, row);
    if (!secret) {
      const { message, hint } = whyClosed(row);
      throw refused(message, hint);
    }
    return { service, secret };
  }

  return {
    async kept(resourceId) {
      const row = await rowOf(resourceId);
      return (
        row && {
          origin: row.origin,
          shown: row.shown,
          startedAt: row.started_at ?? undefined,
          capturedAt: row.captured_at,
          variables: row.variables,
          missing: row.missing,
          fingerprint: row.fingerprint,
          problem: problemOf(row),
        }
      );
    },

    async running(resourceId) {
      const row = await rowOf(resourceId);
      if (row?.node !== node.id) return [];
      const recipe = unseal(vault, row)?.recipe;
      const starts = new Set([row.seen, row.launched]);
      return (await processes.list())
        .filter(
          (process) => process.state !== 'Z' && (starts.has(startOf(process)) || (recipe && runs(recipe, process))),
        )
        .toSorted((a, b) => a.startTicks - b.startTicks)
        .map(({ pid, startTicks, bootId, state, startedAt }) => ({ pid, startTicks, bootId, state, startedAt }));
    },

    async launch(resourceId) {
      const { service, secret } = await usable(resourceId);
      const keep = service.keep ?? [];
      const env = Object.fromEntries(Object.entries(secret.environment).filter(([name]) => keep.includes(name)));
      const identity = await processes.launch(secret.recipe, { env, outputPath: `${resourceId}.log` });
      await db
        .updateTable('launch_recipes')
        .set({ launched: startOf(identity) })
        .where('resource_id', '=', resourceId)
        .execute();
      return identity;
    },
  };
}

/** Same program, same arguments, same folder, same user. */
function runs(recipe: LaunchRecipe, { executable, argv, cwd, uid }: ProcessInfo): boolean {
  // Nothing tells empty arguments at the end from padding.
  const wanted = recipe.argv.slice(0, recipe.argv.findLastIndex((argument) => argument !== '') + 1);
  return (
    executable === recipe.executable &&
    uid === recipe.uid &&
    (cwd === undefined || cwd === recipe.cwd) &&
    argv.length === wanted.length &&
    argv.every((argument, index) => argument === wanted[index])
  );
}
