import type { ConfiguredService } from '../../core/inventory-writer.ts';
import type { ProcessesPort } from '../../core/ports/processes.ts';
import type { LaunchRecipe } from '../../core/resource.ts';
import type { Vault } from '../../core/vault.ts';
import type { Store } from '../../store/store.ts';

export interface RecipesDeps {
  readonly store: Pick<Store, 'db'>;
  readonly vault: Vault;
  /** Where the key of the vault is: for the words to whom it got lost. */
  readonly keyFile: string;
  readonly processes: ProcessesPort;
  /** What the configuration's words mean on this machine. `seen`: who ran it so far. */
  readonly written: (
    launch: NonNullable<ConfiguredService['launch']>,
    seen: Pick<LaunchRecipe, 'uid' | 'gid'> | undefined,
  ) => { readonly recipe: LaunchRecipe } | { readonly problem: string };
  readonly configured: () => readonly ConfiguredService[];
  readonly node: { readonly id: string };
  readonly now: () => Date;
}
