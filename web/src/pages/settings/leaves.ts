export interface Leaf {
  readonly path: string;
  readonly value: string;
  /** Where the value, or what it is part of, comes from. */
  readonly origin: string | undefined;
}

/** A configuration as lines: each member that has no members of its own, under its path. */
export function leavesOf(config: unknown, origins: Readonly<Record<string, string>>): readonly Leaf[] {
  const leaves: Leaf[] = [];
  function walk(value: unknown, path: string, origin: string | undefined): void {
    const here = origins[path] ?? origin;
    const members = typeof value === 'object' && value !== null ? Object.entries(value) : [];
    if (members.length === 0) leaves.push({ path, value: JSON.stringify(value), origin: here });
    for (const [name, member] of members) walk(member, path === '' ? name : `${path}.${name}`, here);
  }
  walk(config, '', undefined);
  return leaves;
}
