import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';
import { type HookType, type ReadyType, readyType } from '../../../edge/handlers/webhooks/types.ts';
import { serverDigests } from './server-digests.ts';

/** A type as the configuration has it: where its secrets are. */
export interface ConfiguredType extends Omit<HookType, 'secrets'> {
  readonly secrets: readonly SecretReference[];
}

/** The types that are received, with their secrets as they are now. */
export interface HookTypes {
  find(name: string): ReadyType | undefined;
  /** Reads the secrets again: after the configuration changed, and now and then, for they may be rotated in place. */
  refresh(): Promise<void>;
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
  let ready = new Map<string, { readonly of: string; readonly type: ReadyType }>();
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
    find: (name) => ready.get(name)?.type,
    unreadable,
    async refresh() {
      const next = new Map<string, { readonly of: string; readonly type: ReadyType }>();
      for (const [name, type] of Object.entries(configured())) {
        const found = (await Promise.all(type.secrets.map((reference) => read(name, reference)))).filter(
          (secret) => secret !== undefined,
        );
        if (found.length === 0) unreadable.add(name);
        else unreadable.delete(name);
        const whole: HookType = { ...type, secrets: found };
        const of = JSON.stringify(whole);
        const known = ready.get(name);
        next.set(name, known?.of === of ? known : { of, type: readyType(whole, serverDigests) });
      }
      ready = next;
    },
  };
}
