import { z } from 'zod';

/** One node of a plan, as EXPLAIN (VERBOSE, FORMAT JSON) has it. */
const Node = z.looseObject({
  'Node Type': z.string(),
  Schema: z.string().optional(),
  'Relation Name': z.string().optional(),
  'Index Name': z.string().optional(),
  Alias: z.string().optional(),
  Filter: z.string().optional(),
  'Hash Cond': z.string().optional(),
  'Merge Cond': z.string().optional(),
  'Join Filter': z.string().optional(),
  'Total Cost': z.number(),
  get Plans() {
    return z.array(Node).optional();
  },
});
export type Node = z.output<typeof Node>;

export const Explained = z.array(z.object({ Plan: Node })).min(1);

export interface Scanned {
  readonly schema: string;
  readonly table: string;
  readonly alias: string;
  /** All that is asked of its rows. */
  readonly conditions: readonly string[];
}

/** The tables that a plan reads from end to end, with what it asks of their rows. */
export function scansOf(plan: Node): Scanned[] {
  const nodes = nodesOf(plan);
  const joins = nodes.flatMap((node) => [node['Hash Cond'], node['Merge Cond'], node['Join Filter']]);
  return nodes
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .flatMap((node) => {
      const { Schema: schema, 'Relation Name': table, Alias: alias } = node;
      if (schema === undefined || table === undefined || alias === undefined) return [];
      return [{ schema, table, alias, conditions: [node.Filter, ...joins].filter((text) => text !== undefined) }];
    });
}

export function nodesOf(node: Node): Node[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

const MOST_COLUMNS = 3;

/** Which columns an index might have: those compared for equality, then one that is compared otherwise. */
export function candidatesFor({ alias, conditions }: Scanned, columns: readonly string[]): string[][] {
  const equal: string[] = [];
  const ranged: string[] = [];
  for (const column of columns) {
    const operators = conditions.flatMap((text) => comparedBy(text, alias, column));
    if (operators.includes('=')) equal.push(column);
    else if (operators.length > 0) ranged.push(column);
  }
  const [first] = ranged;
  const wanted = [
    ...(equal.length > 0 ? [equal] : []),
    ...(first === undefined ? [] : [[...equal, first]]),
    ...equal.map((column) => [column]),
    ...ranged.map((column) => [column]),
  ].map((names) => names.slice(0, MOST_COLUMNS));
  return [...new Map(wanted.map((names) => [names.join(' '), names])).values()].slice(0, 4);
}

/** How a condition compares the column: with whatever cast, on either side. */
function comparedBy(text: string, alias: string, column: string): string[] {
  const name = `${written(alias)}\\.${written(column)}`;
  const cast = '(?:\\)?::"?[a-z][a-z0-9_ ]*"?(?:\\(\\d+\\))?)?\\)?';
  const left = new RegExp(`${name}${cast} (=|<=|>=|<|>|~~) `, 'g');
  const right = new RegExp(` (=|<=|>=|<|>) \\(*${name}(?![a-zA-Z0-9_])`, 'g');
  return [...text.matchAll(left), ...text.matchAll(right)].map(([, operator = '']) => operator);
}

/** A name as PostgreSQL writes it in a plan: quoted where it must be. */
function written(name: string): string {
  const plain = /^[a-z_][a-z0-9_$]*$/.test(name);
  const escaped = (plain ? name : `"${name.replaceAll('"', '""')}"`).replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return plain ? `(?:\\b${escaped}|"${escaped}")` : escaped;
}
