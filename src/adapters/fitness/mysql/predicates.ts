/** How a statement that was slow reads one of its tables: what an index for it would begin with, and go on with. */
export interface Reads {
  readonly table: string;
  readonly equal: readonly string[];
  readonly range: readonly string[];
  readonly order: readonly string[];
}

interface Ref {
  readonly table: string | undefined;
  readonly column: string;
}
type Use = Ref & { readonly as: 'equal' | 'range' | 'order' };

const TOKEN = /`(?:[^`]|``)*`|[\w$]+|<=>|<=|>=|<>|!=|\.\.\.|[^\s\w]/g;
const NAME = /^(?:`.*`|[a-z_$][\w$]*)$/i;
const KEYWORD =
  /^(?:select|from|where|and|or|not|on|using|join|inner|left|right|outer|cross|straight_join|group|order|by|having|limit|as|in|is|null|like|between|asc|desc|union|for|set|distinct|force|use|ignore|index|window|natural)$/i;
const MOST_COLUMNS = 3;

/** Of a SELECT with ? for its values; nothing of what it cannot read. */
export function readsOf(statement: string): Reads[] {
  const tokens = statement.match(TOKEN) ?? [];
  if (!/^select$/i.test(tokens[0] ?? '') || tokens.some((token) => /^union$/i.test(token))) return [];
  const tables = tablesIn(tokens);
  const uses = usesIn(tokens);
  const only = tables.size === 1 ? [...tables.values()][0] : undefined;
  const found = new Map<string, Record<Use['as'], Set<string>>>();
  for (const { table: alias, column, as } of uses) {
    const table = alias === undefined ? only : tables.get(alias);
    if (table === undefined) continue;
    const of = found.get(table) ?? { equal: new Set(), range: new Set(), order: new Set() };
    found.set(table, of);
    of[as].add(column);
  }
  return [...found].map(([table, { equal, range, order }]) => ({
    table,
    equal: [...equal],
    range: [...range],
    order: [...order],
  }));
}

/** Columns of an index: those that are compared for equality, then one that is not, or else what it is sorted by. */
export function columnsFor({ equal, range, order }: Reads): string[] {
  const rest = (range.length > 0 ? range.slice(0, 1) : order).filter((column) => !equal.includes(column));
  return [...equal, ...rest].slice(0, MOST_COLUMNS);
}

/** The column that each ? is compared with, in their order; undefined where it is compared with none. */
export function comparedIn(statement: string): (string | undefined)[] {
  const tokens = statement.match(TOKEN) ?? [];
  return tokens.flatMap((token, at) => {
    if (token !== '?') return [];
    const before = tokens.slice(0, at).findLastIndex((one) => NAME.test(one) && !KEYWORD.test(one));
    const between = tokens.slice(before + 1, at).join(' ');
    const compares = /^(?:<=>|<=|>=|<>|!=|=|<|>|not|like|in|between)(?:\s|not|like|in|between|and|\?|\(|,)*$/i.test(
      between,
    );
    return [before >= 0 && compares ? plain(tokens[before] ?? '') : undefined];
  });
}

function tablesIn(tokens: readonly string[]): Map<string, string> {
  const tables = new Map<string, string>();
  let inFrom = false;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] ?? '';
    if (/^(?:where|group|order|limit|having|on|set)$/i.test(token)) inFrom = false;
    const begins = /^(?:from|join|straight_join)$/i.test(token) || (inFrom && token === ',');
    if (!begins) continue;
    inFrom = true;
    let end = at + 1;
    if (!isName(tokens[end])) continue;
    while (tokens[end + 1] === '.' && isName(tokens[end + 2])) end += 2;
    const table = plain(tokens[end] ?? '');
    const alias = /^as$/i.test(tokens[end + 1] ?? '') ? tokens[end + 2] : tokens[end + 1];
    tables.set(isName(alias) ? plain(alias) : table, table);
  }
  return tables;
}

function usesIn(tokens: readonly string[]): Use[] {
  const uses: Use[] = [];
  let where: 'condition' | 'order' | undefined;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at] ?? '';
    if (/^(?:where|on)$/i.test(token)) where = 'condition';
    else if (/^order$/i.test(token)) where = 'order';
    else if (/^(?:group|having|limit|select|from|join|for)$/i.test(token)) where = undefined;
    if (where === undefined || !isName(token) || tokens[at - 1] === '.') continue;
    const dotted = tokens[at + 1] === '.' && isName(tokens[at + 2]);
    const end = dotted ? at + 2 : at;
    const ref: Ref = { table: dotted ? plain(token) : undefined, column: plain(tokens[end] ?? '') };
    const next = tokens[end + 1] ?? '';
    if (where === 'order') {
      if (/^(?:,|asc|desc|limit|for|)$/i.test(next)) uses.push({ ...ref, as: 'order' });
    } else if (/^(?:=|<=>|in)$/i.test(next)) uses.push({ ...ref, as: 'equal' });
    else if (/^(?:<|>|<=|>=|between|like)$/i.test(next)) uses.push({ ...ref, as: 'range' });
    // Of a join: the column on the other side.
    else if (tokens[at - 1] === '=' && next !== '(') uses.push({ ...ref, as: 'equal' });
  }
  return uses;
}

const isName = (token: string | undefined): token is string =>
  token !== undefined && NAME.test(token) && !KEYWORD.test(token);

const plain = (name: string): string => (name.startsWith('`') ? name.slice(1, -1).replaceAll('``', '`') : name);
