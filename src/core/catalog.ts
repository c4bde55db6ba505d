import type { AnyAutomation } from './automation.ts';
import type { AnyOperation } from './operation.ts';
import type { AnyWorkflow } from './workflow.ts';

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Everything Steward can do, whoever brings it. Surfaces mount what it lists; it is filled once, in compose. */
export interface Catalog {
  readonly automations: ReadonlyMap<string, AnyAutomation>;
  readonly operations: ReadonlyMap<string, AnyOperation>;
  readonly workflows: ReadonlyMap<string, AnyWorkflow>;
}

/** Throws on a name that is used twice or is not kebab-case: both are mistakes of ours, found at boot. */
export function createCatalog(parts: {
  automations: readonly AnyAutomation[];
  operations: readonly AnyOperation[];
  workflows: readonly AnyWorkflow[];
}): Catalog {
  const taken = new Set<string>();
  const index = <T extends { readonly name: string }>(definitions: readonly T[], pattern: RegExp): Map<string, T> =>
    new Map(
      definitions.map((definition) => {
        if (!pattern.test(definition.name)) throw new Error(`'${definition.name}' is not a valid name`);
        if (taken.has(definition.name)) throw new Error(`'${definition.name}' is defined twice`);
        taken.add(definition.name);
        return [definition.name, definition];
      }),
    );
  return {
    automations: index(parts.automations, NAME),
    operations: index(parts.operations, NAME),
    // The mission's workflow names have underscores, and scripts rely on them.
    workflows: index(parts.workflows, /^[a-z][a-z0-9_]*(-[a-z0-9]+)*$/),
  };
}
