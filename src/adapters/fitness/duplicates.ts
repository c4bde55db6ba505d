/** What an index is told by; its columns as they are written, a prefix of a column or its order included. */
export interface IndexShape {
  readonly table: string;
  readonly name: string;
  readonly unique: boolean;
  /** What it is searched by, in this order. */
  readonly columns: readonly string[];
  /** What can be read from it without a look into its table, in words of its own; by default its columns. */
  readonly holds?: readonly string[] | undefined;
  /** Indexes of different kinds, or over different rows, serve different things. */
  readonly kind: string;
  /** It stands for a constraint, or something else holds on to it: nobody takes it away. */
  readonly constraint: boolean;
  /** How often it served, where that is known: of two that are alike the one that serves stays. */
  readonly scans?: number | undefined;
}

/**
 * For each index that another one serves as well, which one: the same columns, or more behind them. One that makes rows unique is
 * replaced only by one that makes the very same unique; of two that are alike the constraint stays, then the one that is used
 * more, then the first by name.
 */
export function duplicatesOf<Shape extends IndexShape>(indexes: readonly Shape[]): Map<Shape, string> {
  const found = new Map<Shape, string>();
  for (const group of Map.groupBy(indexes, ({ table, kind }) => `${table} ${kind}`).values())
    for (const one of group) {
      if (one.constraint || one.columns.length === 0) continue;
      const [best] = group
        .filter((other) => other !== one && serves(other, one))
        .toSorted((a, b) => sizeOf(b) - sizeOf(a) || (stays(a, b) ? -1 : 1));
      if (best) found.set(one, best.name);
    }
  return found;
}

/** Whether every search that `one` is good for can go by `other`, and not just as well the other way round. */
function serves(other: IndexShape, one: IndexShape): boolean {
  if (other.table !== one.table || other.kind !== one.kind) return false;
  if (!one.columns.every((column, at) => other.columns[at] === column)) return false;
  const { holds = other.columns } = other;
  if (!(one.holds ?? one.columns).every((column) => holds.includes(column))) return false;
  if (sizeOf(other) > sizeOf(one)) return !one.unique;
  return stays(other, one);
}

const sizeOf = ({ columns, holds = columns }: IndexShape): number => columns.length + holds.length;

/** Of two that are alike. */
function stays(one: IndexShape, other: IndexShape): boolean {
  if (one.unique !== other.unique) return one.unique;
  if (one.constraint !== other.constraint) return one.constraint;
  const [often, oftener] = [one.scans ?? 0, other.scans ?? 0];
  return often === oftener ? one.name < other.name : often > oftener;
}
