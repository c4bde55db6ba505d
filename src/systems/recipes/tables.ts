import { type ColumnType, type Kysely, sql } from 'kysely';
import type { LaunchRecipe } from '../../core/resource.ts';
import type { Migration } from '../../store/migrator.ts';

type Stored<T> = ColumnType<T, string, string>;

export type RecipesTables = {
  launch_recipes: {
    resource_id: string;
    node: string;
    /** Whose consent it hangs on: the service's name in the configuration. */
    service: string;
    origin: 'captured' | 'configured';
    shown: Stored<LaunchRecipe>;
    /** The start that was looked at last, and the one that Steward made last. */
    seen: string | null;
    launched: string | null;
    started_at: Date | null;
    captured_at: Date;
    variables: Stored<string[]>;
    missing: Stored<string[]>;
    key_id: string;
    fingerprint: string;
    /** Arguments, folder, user and variables: only with the key of the node. */
    sealed: string;
  };
};

export const recipesMigrations: Migration[] = [
  {
    name: 'recipes/0001-launch-recipes',
    async up(db: Kysely<unknown>) {
      await sql`create table launch_recipes (
        resource_id text primary key references resources on delete cascade,
        node text not null,
        service text not null,
        origin text not null,
        shown jsonb not null,
        seen text,
        launched text,
        started_at timestamptz,
        captured_at timestamptz not null,
        variables jsonb not null,
        missing jsonb not null,
        key_id text not null,
        fingerprint text not null,
        sealed text not null)`.execute(db);
      await sql`create index launch_recipes_node on launch_recipes (node)`.execute(db);
    },
  },
];
