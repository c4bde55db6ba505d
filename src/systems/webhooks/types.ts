import { readFile } from 'node:fs/promises';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { checkOf } from './schema-check.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';
import { type Held, notRead, nowRead, PATIENCE_MS } from '../held.ts';
import type { HookType, SchemaText } from '../../../edge/handlers/webhooks/types.ts';

/** How often what a delivery started begins again before it is dead; the first time counts. */
export interface RetryPolicy {
  readonly attempts: number;
  /** Before the second attempt; it doubles each time. */
  readonly backoffMs: number;
}

/** A type as the configuration has it: where its secrets and its schema are. */
export interface ConfiguredType extends Omit<HookType, 'secrets' | 'schema' | 'incomplete'> {
  readonly secrets: readonly SecretReference[];
  readonly schema?: SchemaPlace & { readonly mismatch: 'refuse' | 'dead' };
  readonly retry: RetryPolicy;
  /** What a dead one means for those with its key that come after it. */
  readonly afterDead: 'go-on' | 'wait';
}

type SchemaPlace = { readonly file: string } | { readonly inline: SchemaText };

/** The types that are received, with their secrets and schemas as they are now, or as they were when they could be read last, not for ever. */
export interface HookTypes {
  /** After the configuration changed, and now and then, for they may be rotated in place. */
  read(): Promise<Readonly<Record<string, HookType>>>;
  /** Types of which something cannot be read now. */
  readonly unreadable: ReadonlySet<string>;
  /** What a person has to know of that: what was never read, and what could not be read for a while. */
  problem(): string | undefined;
}

/** One secret or schema of a type. */
interface Known extends Held<unknown> {
  readonly type: string;
}

export function createHookTypes({
  configured,
  secrets,
  clock,
  log,
}: {
  readonly configured: () => Readonly<Record<string, ConfiguredType>>;
  readonly secrets: SecretResolver;
  /** Milliseconds, from anywhere. */
  readonly clock: () => number;
  readonly log: Log;
}): HookTypes {
  let known = new Map<string, Known>();
  const unreadable = new Set<string>();

  /** As it is now, or as it was; nothing where it was never read. What is not asked for any more is forgotten. */
  async function lastGood<T>(
    next: typeof known,
    { type, place, longestMs }: { readonly type: string; readonly place: object; readonly longestMs?: number },
    read: () => Promise<T>,
  ): Promise<Held<T>> {
    const name = `${type} ${JSON.stringify(place)}`;
    const before = (known.get(name) ?? {}) as Held<T>;
    const held = await read().then(nowRead, (thrown: unknown) =>
      notRead(before, thrown, { at: clock(), ...(longestMs !== undefined && { longestMs }) }),
    );
    const why = held.failed?.error.message;
    if (why !== undefined && before.failed?.error.message !== why)
      log.error('webhooks of a type cannot be judged as configured', { type, reason: why });
    next.set(name, { type, ...held });
    return held;
  }

  return {
    unreadable,
    async read() {
      const next: typeof known = new Map();
      const types = await Promise.all(
        Object.entries(configured()).map(async ([name, { schema, secrets: references, ...type }]) => {
          const [checked, ...found] = await Promise.all([
            // It opens nothing: as it was it holds as long as need be.
            schema && lastGood(next, { type: name, place: schema, longestMs: Infinity }, () => schemaAt(name, schema)),
            ...references.map((reference) =>
              lastGood(next, { type: name, place: reference }, () => secrets(reference)),
            ),
          ]);
          const is = checked?.good;
          const readable = found.flatMap(({ good }) => good ?? []);
          const withoutSchema = schema !== undefined && is === undefined;
          // What was taken away is known to be good for nobody.
          const isUnknown = found.some(({ good, revoked }) => good === undefined && !revoked);
          const { retry: _retry, afterDead: _afterDead, ...rest } = type;
          return [
            name,
            {
              ...rest,
              secrets: withoutSchema ? [] : readable,
              ...((withoutSchema || isUnknown) && { incomplete: true }),
              ...(schema && is !== undefined && { schema: { is, mismatch: schema.mismatch } }),
            } satisfies HookType,
          ] as const;
        }),
      );
      known = next;
      unreadable.clear();
      for (const { type, failed } of known.values()) if (failed) unreadable.add(type);
      return Object.fromEntries(types);
    },
    problem() {
      const words = [...known.values()].flatMap(({ type, good, revoked, failed }) => {
        if (!failed || (good !== undefined && clock() - failed.since < PATIENCE_MS)) return [];
        const meanwhile = revoked
          ? `It is good for no webhook of ${type} any more; take it out of secrets, too.`
          : good === undefined
            ? `What it would decide about webhooks of ${type} is answered with 503, so that senders try again.`
            : `For ${type} it is used as it was last read.`;
        return [`${failed.error.message} ${meanwhile}`];
      });
      return words.length === 0 ? undefined : words.join(' ');
    },
  };
}

/** Throws where it cannot be read, or is none. */
async function schemaAt(type: string, place: SchemaPlace): Promise<SchemaText> {
  try {
    const is = 'file' in place ? (JSON.parse(await readFile(place.file, 'utf8')) as SchemaText) : place.inline;
    await checkOf(is);
    return is;
  } catch (thrown) {
    const which = 'file' in place ? `The schema ${place.file}` : 'The schema';
    throw new StewardError('CONFIG_INVALID', `${which} of ${type} cannot be used: ${(thrown as Error).message}.`, {
      cause: thrown,
    });
  }
}
