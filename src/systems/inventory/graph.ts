/** One step of a walk: from a resource to its neighbor. */
export interface Link {
  readonly at: string;
  readonly to: string;
}

/** Ids that can be reached, nearest first, the start left out; cycles end where they began. Neighbors are asked for a level at a time. */
export async function reach(
  start: string,
  neighbors: (ids: readonly string[]) => Promise<readonly Link[]>,
): Promise<string[]> {
  const seen = new Set([start]);
  for (let level = [start]; level.length > 0;) {
    const next = Map.groupBy(await neighbors(level), ({ at }) => at);
    const found = level.flatMap((id) => next.get(id) ?? []).map(({ to }) => to);
    level = [...new Set(found)].filter((id) => !seen.has(id));
    for (const id of level) seen.add(id);
  }
  return [...seen].slice(1);
}
