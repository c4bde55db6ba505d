import { readFile } from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { checkOf } from './schema-check.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';
import type { HookType, SchemaText } from '../../../edge/handlers/webhooks/types.ts';

/** How often what a delivery started begins again before it is dead; the first time counts. */
export interface RetryPolicy {
  readonly attempts: number;
  /** Before the second attempt; it doubles each time. */
  readonly backoffMs: number;
}

/** A type as the configuration has it: where its secrets and its schema are. */
export interface ConfiguredType extends Omit<HookType, 'secrets' | 'schema'> {
  readonly secrets: readonly SecretReference[];
  readonly schema?: ({ readonly file: string } | { readonly inline: SchemaText }) & {
    readonly mismatch: 'refuse' | 'dead';
  };
  readonly retry: RetryPolicy;
  /** What a dead one means for those with its key that come after it. */
  readonly afterDead: 'go-on' | 'wait';
}

/** The types that are received, with their secrets as they are now. */
export interface HookTypes {
  /** Reads the secrets: after the configuration changed, and now and then, for they may be rotated in place. */
  read(): Promise<Readonly<Record<string, HookType>>>;
  /** Types of which no secret can be read, or not their schema: everything sent to them is refused. */
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

  async function schemaOf(
    name: string,
    place: NonNullable<ConfiguredType['schema']>,
  ): Promise<HookType['schema'] | undefined> {
    try {
      const is = 'file' in place ? (JSON.parse(await readFile(place.file, 'utf8')) as SchemaText) : place.inline;
      await checkOf(is);
      return { is, mismatch: place.mismatch };
    } catch (thrown) {
      if (!unreadable.has(name))
        log.error('schema of a webhook type cannot be used: everything sent to it is refused', {
          type: name,
          ...('file' in place && { file: place.file }),
          reason: (thrown as Error).message,
        });
      return undefined;
    }
  }

  return {
    unreadable,
    async read() {
      const types: Record<string, HookType> = {};
      for (const [name, type] of Object.entries(configured())) {
        const schema = type.schema && (await schemaOf(name, type.schema));
        const found = await Promise.all(type.secrets.map((reference) => read(name, reference)));
        const known = found.filter((secret) => secret !== undefined);
        const readable = known.length > 0 && (type.schema === undefined || schema !== undefined);
        if (readable) unreadable.delete(name);
        else unreadable.add(name);
        const { schema: _schema, retry: _retry, afterDead: _afterDead, ...rest } = type;
        types[name] = { ...rest, secrets: readable ? known : [], ...(schema && { schema }) };
      }
      return types;
    },
  };
}
