import type { AnyAutomation } from './automation.ts';
import type { AnyOperation } from './operation.ts';
import type { AnyWorkflow } from './workflow.ts';

const NONE: readonly AnyWorkflow[] = [];
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Everything Steward can do, whoever brings it. Surfaces mount what it lists; it is filled once, in compose. */
export interface Catalog {
  readonly automations: ReadonlyMap<string, AnyAutomation>;
  readonly operations: ReadonlyMap<string, AnyOperation>;
  /** Those that ship, and those of the configuration in force. */
  readonly workflows: ReadonlyMap<string, AnyWorkflow>;
}

/** Throws on a name that is used twice or is not kebab-case: both are mistakes of ours, found at boot. */
export function createCatalog(parts: {
  automations: readonly AnyAutomation[];
  operations: readonly AnyOperation[];
  workflows: readonly AnyWorkflow[];
  /** Asked whenever workflows are: the same list while nothing changed. */
  configured?: () => readonly AnyWorkflow[];
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
  const automations = index(parts.automations, NAME);
  const operations = index(parts.operations, NAME);
  // The mission's workflow names have underscores, and scripts rely on them.
  const shipped = index(parts.workflows, /^[a-z][a-z0-9_]*(-[a-z0-9]+)*$/);
  const { configured = () => NONE } = parts;
  let known: { readonly of: readonly AnyWorkflow[]; readonly all: ReadonlyMap<string, AnyWorkflow> } = {
    of: NONE,
    all: shipped,
  };
  return {
    automations,
    operations,
    get workflows() {
      const of = configured();
      // What ships stands before what is configured: the configuration was refused where it took such a name.
      if (of !== known.of) known = { of, all: new Map([...of.map((one) => [one.name, one] as const), ...shipped]) };
      return known.all;
    },
  };
}
