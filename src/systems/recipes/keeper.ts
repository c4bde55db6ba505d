import type { ConfiguredService } from '../../core/inventory-writer.ts';
import type { Capture, ProcessInfo } from '../../core/ports/processes.ts';
import type { RecipeKeeper, SightedRecipe } from '../../core/recipe-keeper.ts';
import { redactArgv, redactText } from '../../core/redact.ts';
import type { LaunchRecipe, Supervisor } from '../../core/resource.ts';
import type { RecipesDeps } from './deps.ts';
import { type RecipeRow, seal, type Secret, startOf, unseal } from './rows.ts';
import type { RecipesTables } from './tables.ts';

const SAY_IT =
  'Say in steward.yaml how it is started: launch: { argv: [...], cwd: ..., user: ... }, or make it a systemd unit.';
const UNKNOWN: Readonly<Record<Exclude<Extract<Capture, { unknown: string }>['unknown'], 'gone'>, string>> = {
  overwritten: `It wrote a title over its arguments, so it cannot be read how it was started. ${SAY_IT}`,
  unreadable: `Steward may not read how it was started: it runs as another user. Run Steward as root. ${SAY_IT}`,
};

/** What settle() writes; kept apart from what discovery holds. */
interface Pending {
  readonly secret: Secret;
  readonly origin: RecipeRow['origin'];
  readonly process: ProcessInfo | undefined;
}

export function createKeeper({ store, vault, processes, written, node, now }: RecipesDeps): RecipeKeeper {
  const db = store.db.withTables<RecipesTables>();
  const pending = new WeakMap<SightedRecipe, Pending>();

  const rowOf = async (resourceId: string | undefined): Promise<RecipeRow | undefined> =>
    resourceId === undefined
      ? undefined
      : await db
          .selectFrom('launch_recipes')
          .selectAll()
          .where('resource_id', '=', resourceId)
          .where('node', '=', node.id)
          .executeTakeFirst();

  function sighted(next: Pending): SightedRecipe {
    const sight = { supervisor: supervisor(shown(next.secret), next.origin) };
    pending.set(sight, next);
    return sight;
  }

  async function sightProcess(
    process: ProcessInfo,
    variables: readonly string[],
    row: RecipeRow | undefined,
  ): Promise<SightedRecipe | undefined> {
    const start = startOf(process);
    const kept: SightedRecipe | undefined = row && { supervisor: supervisor(row.shown, row.origin) };
    const usable = row?.origin === 'captured' && row.key_id === vault.keyId;
    const asked = row && sameNames([...row.variables, ...row.missing], variables);
    if (usable && asked && row.seen === start && row.shown.executable === process.executable) return kept;
    const captured = await processes.capture(process, variables);
    if ('recipe' in captured)
      return sighted({
        secret: { recipe: captured.recipe, environment: captured.environment },
        origin: 'captured',
        process,
      });
    if (captured.unknown === 'gone') return kept;
    // The title came later than the look at it, or Steward itself started it in the way that it keeps.
    if (usable && (row.seen === start || row.launched === start)) return kept;
    return { supervisor: { kind: 'none', reason: UNKNOWN[captured.unknown] } };
  }

  async function sightWritten(
    launch: NonNullable<ConfiguredService['launch']>,
    process: ProcessInfo | undefined,
    variables: readonly string[],
    row: RecipeRow | undefined,
  ): Promise<SightedRecipe> {
    const before = row && unseal(vault, row);
    const captured = process && (await processes.capture(process, variables));
    const ran = captured && ('recipe' in captured ? captured.recipe : 'uid' in captured ? captured : undefined);
    const answer = written(launch, ran ?? before?.recipe);
    if ('problem' in answer)
      return { supervisor: { kind: 'none', reason: `${answer.problem} Correct it in steward.yaml.` } };
    const environment = captured && 'environment' in captured ? captured.environment : (before?.environment ?? {});
    return sighted({ secret: { recipe: answer.recipe, environment }, origin: 'configured', process });
  }

  async function write(resourceId: string, service: ConfiguredService, { secret, origin, process }: Pending) {
    const keep = service.keep ?? [];
    const environment = only(secret.environment, keep);
    const names = Object.keys(environment);
    const values = {
      node: node.id,
      service: service.name,
      origin,
      shown: JSON.stringify(shown({ ...secret, environment })),
      ...(process ? { seen: startOf(process), started_at: process.startedAt } : {}),
      captured_at: now(),
      variables: JSON.stringify(names),
      missing: JSON.stringify(keep.filter((name) => !names.includes(name))),
      ...seal(vault, { recipe: secret.recipe, environment }, { node: node.id, resourceId }),
    };
    const before = await rowOf(resourceId);
    const same = before?.fingerprint === values.fingerprint && before.key_id === values.key_id;
    if (
      same &&
      (!process || before.seen === startOf(process)) &&
      before.origin === origin &&
      before.service === service.name
    )
      return;
    await db
      .insertInto('launch_recipes')
      .values({ resource_id: resourceId, ...values })
      .onConflict((conflict) => conflict.column('resource_id').doUpdateSet(values))
      .execute();
  }

  /** Consent that was taken back holds also for what does not run at the moment. */
  async function narrow(row: RecipeRow, service: ConfiguredService): Promise<void> {
    const keep = service.keep ?? [];
    if (row.variables.every((name) => keep.includes(name))) return;
    const secret = unseal(vault, row);
    // Sealed by a key that is lost: nobody can take a part out of it.
    if (!secret)
      return void (await db.deleteFrom('launch_recipes').where('resource_id', '=', row.resource_id).execute());
    const environment = only(secret.environment, keep);
    await db
      .updateTable('launch_recipes')
      .set({
        variables: JSON.stringify(Object.keys(environment)),
        missing: JSON.stringify(row.missing.filter((name) => keep.includes(name))),
        ...seal(vault, { recipe: secret.recipe, environment }, { node: node.id, resourceId: row.resource_id }),
      })
      .where('resource_id', '=', row.resource_id)
      .execute();
  }

  return {
    async sight(service, { process, resourceId }) {
      const row = await rowOf(resourceId);
      const variables = service.keep ?? [];
      if (service.launch) return await sightWritten(service.launch, process, variables, row);
      return process && (await sightProcess(process, variables, row));
    },

    async settle(entries) {
      for (const { resourceId, service, sighted: sight } of entries) {
        const next = sight && pending.get(sight);
        const row = next ? undefined : await rowOf(resourceId);
        if (next) await write(resourceId, service, next);
        else if (row) await narrow(row, service);
      }
      const held = entries.map(({ resourceId }) => resourceId);
      await db
        .deleteFrom('launch_recipes')
        .where('node', '=', node.id)
        .$if(held.length > 0, (query) => query.where('resource_id', 'not in', held))
        .execute();
    },
  };
}

function supervisor(recipe: LaunchRecipe, origin: RecipeRow['origin']): Supervisor {
  return { kind: 'process', recipe, ...(origin === 'configured' ? { origin } : {}) };
}

function shown({ recipe, environment }: Secret): LaunchRecipe {
  const secrets = Object.entries(environment).filter(([name]) => redactText(`${name}=x`) !== `${name}=x`);
  return {
    ...recipe,
    argv: redactArgv(
      recipe.argv,
      secrets.map(([, value]) => value),
    ),
  };
}

function only(environment: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => names.includes(name)));
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return new Set([...a, ...b]).size === a.length && a.length === new Set(b).size;
}
