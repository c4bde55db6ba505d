/** What somebody wants to be run. */
export interface Wanted {
  readonly automation: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly reason?: string;
  /** On this node, by name. */
  readonly node?: string;
}

/** As the API takes it. */
export function bodyOf({ input, reason, node }: Wanted): Record<string, unknown> {
  return { input, ...(reason !== undefined && { reason }), ...(node !== undefined && { place: { node } }) };
}
