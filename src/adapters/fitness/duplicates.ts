/** What an index is told by; its columns as they are written, a prefix of a column or its order included. */
export interface IndexShape {
  readonly table: string;
  readonly name: string;
  readonly unique: boolean;
  readonly columns: readonly string[];
  /** Indexes of different kinds, or over different rows, serve different things. */
  readonly kind: string;
  /** It stands for a constraint: nobody takes it away. */
  readonly constraint: boolean;
}

/**
 * For each index that another one serves as well, which one: the same columns, or more behind them. One that makes rows unique is
 * replaced only by one that makes the very same unique; of two that are alike the constraint stays, then the first by name.
 */
export function duplicatesOf(indexes: readonly IndexShape[]): Map<IndexShape, string> {
  const found = new Map<IndexShape, string>();
  for (const one of indexes) {
    if (one.constraint || one.columns.length === 0) continue;
    const better = indexes
      .filter((other) => other !== one && other.table === one.table && serves(other, one))
      .toSorted((a, b) => b.columns.length - a.columns.length || (a.name < b.name ? -1 : 1))[0];
    if (better) found.set(one, better.name);
  }
  return found;
}

function serves(other: IndexShape, one: IndexShape): boolean {
  if (other.kind !== one.kind || !one.columns.every((column, at) => other.columns[at] === column)) return false;
  if (other.columns.length > one.columns.length) return !one.unique;
  if (one.unique !== other.unique) return other.unique;
  return other.constraint || other.name < one.name;
}
