import type { ConfiguredService } from './inventory-writer.ts';
import type { ProcessInfo } from './ports/processes.ts';
import type { Supervisor } from './resource.ts';

/** How a service would be started again, before it is kept. Its secrets are out of reach for who holds this. */
export interface SightedRecipe {
  /** As the inventory may have it: of kind process, without secrets, or of kind none with the reason. */
  readonly supervisor: Supervisor;
}

/** Keeps how bare processes are started, for services whose owner asked for it by `restart: process`. */
export interface RecipeKeeper {
  /**
   * What the process shows now, or what the configuration says of how to start it. Undefined where neither tells: what
   * is kept stays as it is.
   */
  sight(
    service: ConfiguredService,
    seen: { readonly process?: ProcessInfo | undefined; readonly resourceId?: string | undefined },
  ): Promise<SightedRecipe | undefined>;
  /**
   * Every resource of this node that may have a recipe: keeps what was sighted, drops variables that are no longer
   * consented to, and forgets the recipes of all others.
   */
  settle(
    entries: readonly {
      readonly resourceId: string;
      readonly service: ConfiguredService;
      readonly sighted?: SightedRecipe | undefined;
    }[],
  ): Promise<void>;
}
