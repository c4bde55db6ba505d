import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';
import type { HookType } from '../../../edge/handlers/webhooks/types.ts';

/** A type as the configuration has it: where its secrets are. */
export interface ConfiguredType extends Omit<HookType, 'secrets'> {
  readonly secrets: readonly SecretReference[];
}

/** The types that are received, with their secrets as they are now. */
export interface HookTypes {
  /** Reads the secrets: after the configuration changed, and now and then, for they may be rotated in place. */
  read(): Promise<Readonly<Record<string, HookType>>>;
  /** Types of which no secret can be read: everything sent to them is refused. */
  readonly unreadable: ReadonlySet<string>;
}

export function createHookTypes({
  configured,
  secrets,
  log,
}: {
  readonly configured: () => Readonly<Record<string, ConfiguredType>>;
  readonly secrets: SecretResolver;
  readonly log: Log;
}): HookTypes {
  const unreadable = new Set<string>();

  async function read(name: string, reference: SecretReference): Promise<string | undefined> {
    try {
      return await secrets(reference);
    } catch (thrown) {
      if (!unreadable.has(name))
        log.warn('secret of a webhook type cannot be read', { type: name, reason: StewardError.from(thrown).message });
      return undefined;
    }
  }

  return {
    unreadable,
    async read() {
      const types: Record<string, HookType> = {};
      for (const [name, type] of Object.entries(configured())) {
        const found = await Promise.all(type.secrets.map((reference) => read(name, reference)));
        const known = found.filter((secret) => secret !== undefined);
        if (known.length === 0) unreadable.add(name);
        else unreadable.delete(name);
        types[name] = { ...type, secrets: known };
      }
      return types;
    },
  };
}
