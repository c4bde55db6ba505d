import type { LaunchRecipe } from '../resource.ts';
import type { ProcessIdentity } from './programs.ts';

/** What is kept to start a service again that nothing supervises, as far as it may be shown. */
export interface KeptRecipe {
  readonly origin: 'captured' | 'configured';
  /** Without what looks like a secret. */
  readonly shown: LaunchRecipe;
  /** The start that it was captured from. */
  readonly startedAt: Date | undefined;
  readonly capturedAt: Date;
  /** Names of the environment variables that are kept with it. */
  readonly variables: readonly string[];
  /** Names that its owner consented to and that the process did not have. */
  readonly missing: readonly string[];
  /** Another one as soon as anything of it is another, secrets included. */
  readonly fingerprint: string;
  /** Why it cannot be used, and what to do. */
  readonly problem?: { readonly message: string; readonly hint: string } | undefined;
}

export interface RecipeProcess extends ProcessIdentity {
  readonly state: string;
  readonly startedAt: Date;
}

/**
 * Starts bare processes again as they were started. Arguments and variables stay behind this port: who asks names the
 * resource and never sees them.
 */
export interface RecipesPort {
  kept(resourceId: string): Promise<KeptRecipe | undefined>;
  /** The processes that run it now, the oldest first. Zombies have ended. */
  running(resourceId: string): Promise<RecipeProcess[]>;
  /**
   * Starts it so that it outlives Steward, with its kept variables and no others. PRECONDITION_FAILED where nothing is
   * kept, the consent was withdrawn, or the key that sealed it is lost.
   */
  launch(resourceId: string): Promise<ProcessIdentity>;
}
