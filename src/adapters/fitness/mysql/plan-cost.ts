/** What the server expects a plan to cost, in units of its own; where it does not say, how many rows it expects to read. */
export function costOf(plan: unknown): number {
  const told = (plan as { query_block?: { cost_info?: { query_cost?: string }; cost?: number } }).query_block;
  const cost = Number(told?.cost_info?.query_cost ?? told?.cost ?? Number.NaN);
  if (Number.isFinite(cost)) return cost;
  let [read, times] = [0, 1];
  for (const { rows, filtered } of tablesIn(plan)) {
    read += times * rows;
    times *= Math.max(1, (rows * filtered) / 100);
  }
  return read;
}

/** Whether it reads a table by this index. */
export function uses(plan: unknown, index: string): boolean {
  return tablesIn(plan).some(({ key }) => key === index);
}

interface Step {
  readonly rows: number;
  readonly filtered: number;
  readonly key: string | undefined;
}

/** In the order in which they are read: each once for every row of those before. */
function tablesIn(node: unknown): Step[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([name, value]) => {
    const table = value as Record<string, unknown> | null;
    if (name !== 'table' || table?.['access_type'] === undefined) return tablesIn(value);
    const rows = Number(table['rows'] ?? table['rows_examined_per_scan'] ?? 1);
    const key = table['key'];
    return [{ rows, filtered: Number(table['filtered'] ?? 100), key: typeof key === 'string' ? key : undefined }];
  });
}
