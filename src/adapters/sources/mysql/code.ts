import { identifier, type MySession } from './access.ts';

/** What of a database is no table: renaming a table does not take it along. */
export interface Code {
  readonly kind: 'procedure' | 'function' | 'view' | 'trigger' | 'event';
  readonly name: string;
  readonly create: string;
  readonly mode: string;
}

const LISTS: readonly (readonly [Code['kind'], string])[] = [
  [
    'procedure',
    "select ROUTINE_NAME as name from information_schema.ROUTINES where ROUTINE_SCHEMA = ? and ROUTINE_TYPE = 'PROCEDURE'",
  ],
  [
    'function',
    "select ROUTINE_NAME as name from information_schema.ROUTINES where ROUTINE_SCHEMA = ? and ROUTINE_TYPE = 'FUNCTION'",
  ],
  ['view', 'select TABLE_NAME as name from information_schema.VIEWS where TABLE_SCHEMA = ?'],
  [
    'trigger',
    'select TRIGGER_NAME as name from information_schema.TRIGGERS where TRIGGER_SCHEMA = ? order by ACTION_ORDER',
  ],
  ['event', 'select EVENT_NAME as name from information_schema.EVENTS where EVENT_SCHEMA = ?'],
];

/** In the order in which it can be made again. */
export async function codeOf(session: MySession, database: string): Promise<Code[]> {
  await session.rows(`use ${identifier(database)}`);
  const code: Code[] = [];
  for (const [kind, list] of LISTS) {
    for (const { name } of await session.rows<{ name: string }>(list, [database])) {
      const [row] = await session.rows<Record<string, string>>(`show create ${kind} ${identifier(name)}`);
      const create = Object.entries(row ?? {}).find(([column]) =>
        /^(Create (View|Procedure|Function|Event)|SQL Original Statement)$/i.test(column),
      )?.[1];
      if (create) code.push({ kind, name, create, mode: row?.['sql_mode'] ?? '' });
    }
  }
  return code;
}

/** Views may be made of views: those that lack another one wait for it. */
export async function makeCode(session: MySession, database: string, code: readonly Code[]): Promise<void> {
  await session.rows(`use ${identifier(database)}`);
  let waiting = code;
  while (waiting.length > 0) {
    const left: Code[] = [];
    let last: unknown;
    for (const one of waiting) {
      await session.rows('set session sql_mode = ?', [one.mode]);
      try {
        await session.rows(one.create);
      } catch (thrown) {
        last = thrown;
        left.push(one);
      }
    }
    if (left.length === waiting.length) throw last;
    waiting = left;
  }
  await session.rows("set session sql_mode = ''");
}

export async function dropCode(session: MySession, database: string, code: readonly Code[]): Promise<void> {
  await session.rows(`use ${identifier(database)}`);
  for (const { kind, name } of code) await session.rows(`drop ${kind} if exists ${identifier(name)}`);
}
