import type { SlowQuery } from '../../../core/database/look.ts';
import type { Reply } from '../../sources/redis/resp.ts';

/** These are named by two words. The second is one of theirs, never of a user's. */
const OF_TWO_WORDS = new Set(
  'acl client cluster command config debug function latency memory module object pubsub script slowlog xgroup xinfo'.split(
    ' ',
  ),
);
const TOLD_ARGUMENTS = 3;
const MORE = /^\.\.\. \((\d+) more arguments\)$/;

/** What the slow log holds, by kind of command and with the slowest first. Keys and values are never told: either may be a secret. */
export function slowOf(entries: Reply, slowMs: number): SlowQuery[] {
  const byStatement = new Map<string, { calls: number; totalMs: number }>();
  for (const entry of Array.isArray(entries) ? entries : []) {
    const [, , micros, words] = entry as readonly Reply[];
    const ms = Number(micros) / 1000;
    if (!Array.isArray(words) || !(ms >= slowMs)) continue;
    const statement = statementOf(words.map(String));
    const { calls, totalMs } = byStatement.get(statement) ?? { calls: 0, totalMs: 0 };
    byStatement.set(statement, { calls: calls + 1, totalMs: totalMs + ms });
  }
  return [...byStatement]
    .map(([statement, { calls, totalMs }]) => ({
      database: ALL,
      statement,
      calls,
      meanMs: totalMs / calls,
      totalMs,
    }))
    .toSorted((one, other) => other.totalMs - one.totalMs);
}

/** Redis tells sizes and slow commands of the server, not of its databases. */
export const ALL = 'all';

function statementOf(words: readonly string[]): string {
  const [command = '', second = ''] = words;
  const named = OF_TWO_WORDS.has(command.toLowerCase()) && /^[a-z-]+$/i.test(second);
  const name = (named ? `${command} ${second}` : command).toUpperCase();
  const rest = words.slice(named ? 2 : 1);
  const dropped = Number(MORE.exec(rest.at(-1) ?? '')?.[1] ?? 0);
  const given = dropped > 0 ? rest.length - 1 + dropped : rest.length;
  const told = '?'.repeat(Math.min(given, TOLD_ARGUMENTS)).split('');
  return [name, ...told, ...(given > TOLD_ARGUMENTS ? ['...'] : [])].join(' ');
}
