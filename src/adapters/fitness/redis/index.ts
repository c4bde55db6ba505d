import type { DatabaseEngine } from '../../../core/database/engine.ts';
import type { DatabaseLook } from '../../../core/database/look.ts';
import { StewardError } from '../../../core/errors.ts';
import type { SourceDeps } from '../../sources/deps.ts';
import type { Reaching } from '../../sources/reaching.ts';
import { addressOf, connectRedis, type RedisClient } from '../../sources/redis/client.ts';
import { RespError } from '../../sources/redis/resp.ts';
import { defragment } from './defragment.ts';
import { figuresOf } from './figures.ts';
import { isLeftOn } from './left-on.ts';
import { slowOf } from './slowlog.ts';

export interface RedisEngineOptions extends Pick<SourceDeps, 'scratch' | 'now'>, Reaching {
  /** How long data is moved together at most. */
  readonly withinMs?: number | undefined;
}

const TOLD_SLOW = 1_000;

/** Redis and Valkey: nothing that is held is ever given up, only what lies between it. */
export function createRedisEngine(options: RedisEngineOptions): DatabaseEngine<'redis'> {
  const { scratch, now, withinMs = 10 * 60_000 } = options;
  return {
    kind: 'redis',

    async look({ source }, { slowMs }, { signal }): Promise<DatabaseLook> {
      await using client = await connectRedis(await addressOf(source, options), signal);
      const [info] = await client.askAll([['INFO']]);
      if (info instanceof RespError)
        throw new StewardError('FORBIDDEN', `Redis does not let this user look: ${info.message}`, {
          hint: grant(source.user, '+info'),
        });
      const text = String(info);
      const { warnings, ...figures } = figuresOf(text);
      const leftOn = (await isLeftOn(scratch, source.name, text)) ? [LEFT_ON] : [];
      return {
        source: source.name,
        kind: 'redis',
        at: now().toISOString(),
        ...figures,
        tables: [],
        indexes: [],
        ...(await slowQueries(client, source.user, slowMs)),
        warnings: [...warnings, ...leftOn],
      };
    },

    async perform({ source, sandbox = false }, task, doing) {
      if (task.kind !== 'defragment')
        throw new StewardError('INPUT_INVALID', `Redis knows no ${task.kind}: only its memory is kept fit.`, {
          hint: 'Ask for defragment.',
        });
      const name = sandbox ? `${source.name} (sandbox)` : source.name;
      return await defragment({ source: name, address: await addressOf(source, options), scratch, withinMs }, doing);
    },
  };
}

const LEFT_ON = {
  what: 'Active defragmentation was turned on by a Steward that was killed before it could set it back.',
  hint: 'The next maintenance sets it back, as does a restart of the server; or: CONFIG SET activedefrag no.',
};

const grant = (user: string | undefined, ...rights: readonly string[]): string =>
  `ACL SETUSER ${user ?? 'default'} ${rights.join(' ')}`;

async function slowQueries(
  client: RedisClient,
  user: string | undefined,
  slowMs: number,
): Promise<Pick<DatabaseLook, 'slow' | 'blind'>> {
  const [entries, setting] = await client.askAll([
    ['SLOWLOG', 'GET', TOLD_SLOW],
    ['CONFIG', 'GET', 'slowlog-log-slower-than'],
  ]);
  const what = 'slow queries';
  if (entries instanceof RespError) return { slow: [], blind: [{ what, hint: grant(user, '+slowlog|get') }] };
  const slow = slowOf(entries ?? null, slowMs);
  if (setting instanceof RespError)
    return {
      slow,
      blind: [{ what: 'from when on a command is written to the slow log', hint: grant(user, '+config|get') }],
    };
  const micros = Number(Array.isArray(setting) ? (setting[1] ?? -1) : -1);
  if (micros >= 0 && micros <= slowMs * 1000) return { slow, blind: [] };
  return {
    slow,
    blind: [
      {
        what: micros < 0 ? what : `slow queries below ${micros / 1000} ms`,
        hint: `CONFIG SET slowlog-log-slower-than ${slowMs * 1000}, and CONFIG REWRITE to keep it`,
      },
    ],
  };
}
