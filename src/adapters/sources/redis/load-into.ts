import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { Claims } from './claims.ts';
import type { RedisClient } from './client.ts';
import { databasesOf, firstError, scanKeys } from './count.ts';
import { RespError, type Reply } from './resp.ts';

const AT_ONCE = 200;

/**
 * Gives a living server what another one holds, at once: first into databases of it that are empty, then they change places
 * with those they replace, in one transaction. Until then nobody sees anything of it, and where it fails nothing was changed.
 */
export async function replaceAll(
  from: RedisClient,
  to: RedisClient,
  { mark, claim, release }: Claims,
  { signal, lease }: Doing,
): Promise<readonly string[]> {
  const [wanted, there] = [await databasesOf(from), await databasesOf(to)];
  const spare = await emptyDatabases(to, there, new Set(wanted.keys()));
  if (spare.length < wanted.size)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `The server has ${spare.length} empty databases beside those that are restored, and ${wanted.size} are needed for a while.`,
      { hint: 'Give it more (databases 32), or restore into a folder and start it on the file. Nothing was changed.' },
    );
  const places = [...wanted.keys()].map((database, at) => ({ database, aside: spare[at] as number }));
  try {
    await claim(places.map(({ aside }) => aside));
    for (const { database, aside } of places) await loadOne(from, to, database, aside, signal);
    const gone = [...there.keys()].filter((database) => !wanted.has(database));
    await lease?.();
    await transaction(to, [
      ...places.flatMap(({ database, aside }) => [
        ['SELECT', aside],
        ['DEL', mark],
        ['SWAPDB', database, aside],
        // What is there now is what was replaced.
        ['FLUSHDB', 'ASYNC'],
      ]),
      ...gone.flatMap((database) => [
        ['SELECT', database],
        ['FLUSHDB', 'ASYNC'],
      ]),
    ]);
    await functionsTo(from, to);
    return [...wanted].map(([database, keys]) => `db${database}: ${keys} keys`);
  } catch (thrown) {
    await release().catch(() => undefined);
    throw thrown;
  }
}

/** Into one database that is empty. What of it came before a failure is taken away again. */
export async function loadInto(
  from: RedisClient,
  to: RedisClient,
  { database, into }: { readonly database: number; readonly into: number },
  { mark, claim, release }: Claims,
  { signal, lease }: Doing,
): Promise<readonly string[]> {
  const keys = (await databasesOf(to)).get(into);
  if (keys !== undefined)
    throw new StewardError('CONFLICT', `Database ${into} holds ${keys} keys.`, {
      hint: 'Nothing was changed. Choose one that is empty.',
    });
  try {
    await claim([into]);
    await loadOne(from, to, database, into, signal);
    await lease?.();
    await to.ask('DEL', mark);
  } catch (thrown) {
    await release().catch(() => undefined);
    throw thrown;
  }
  return [`db${into}: ${(await databasesOf(from)).get(database) ?? 0} keys`];
}

async function loadOne(from: RedisClient, to: RedisClient, database: number, into: number, signal: AbortSignal) {
  await from.ask('SELECT', database);
  await to.ask('SELECT', into);
  for await (const found of scanKeys(from))
    for (let at = 0; at < found.length; at += AT_ONCE) {
      signal.throwIfAborted();
      const keys = found.slice(at, at + AT_ONCE);
      const answers = await from.askAll(
        keys.flatMap((key) => [
          ['PEXPIRETIME', key],
          ['PTTL', key],
          ['DUMP', key],
        ]),
      );
      const commands = keys.flatMap((key, index) => {
        const [when, within, dump] = answers.slice(3 * index, 3 * index + 3);
        // One that expired meanwhile.
        if (!Buffer.isBuffer(dump)) return [];
        // Before Redis 7 nobody says when, only in how long.
        return typeof when === 'number' && when > 0
          ? [['RESTORE', key, when, dump, 'REPLACE', 'ABSTTL']]
          : [['RESTORE', key, Math.max(0, Number(within)), dump, 'REPLACE']];
      });
      const refused = firstError(await to.askAll(commands));
      if (refused)
        throw new StewardError('PROGRAM_FAILED', `The server does not take a key of the copy: ${refused.message}.`, {
          hint: /version|checksum/i.test(refused.message)
            ? 'It is older than the redis-server of this machine, with which the copy is read. Nothing was changed.'
            : 'Nothing was changed.',
        });
    }
}

async function emptyDatabases(
  to: RedisClient,
  there: Map<number, number>,
  wanted: ReadonlySet<number>,
): Promise<number[]> {
  const [, all] = (await to.ask('CONFIG', 'GET', 'databases').catch(() => [])) as Reply[];
  const count = Number(all ?? 16);
  // From the end: those that nobody uses.
  return Array.from({ length: count }, (_, at) => count - 1 - at).filter(
    (database) => !there.has(database) && !wanted.has(database),
  );
}

async function transaction(client: RedisClient, commands: readonly (readonly (string | number)[])[]): Promise<void> {
  const replies = await client.askAll([['MULTI'], ...commands, ['EXEC']]);
  const results = replies.at(-1);
  const refused = firstError(replies) ?? firstError(Array.isArray(results) ? results : []);
  if (refused) throw new StewardError('PROGRAM_FAILED', `Redis refuses to exchange databases: ${refused.message}.`);
}

/** Redis 7 keeps programs of its users beside its data. */
async function functionsTo(from: RedisClient, to: RedisClient): Promise<void> {
  const [dump] = await from.askAll([['FUNCTION', 'DUMP']]);
  if (!Buffer.isBuffer(dump)) return;
  const [answer] = await to.askAll([['FUNCTION', 'RESTORE', dump, 'FLUSH']]);
  if (answer instanceof RespError)
    throw new StewardError('PROGRAM_FAILED', `The data is restored, its functions are not: ${answer.message}.`);
}
