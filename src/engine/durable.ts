/**
 * What the phases need of an engine: a step that ran once gives its result again instead of running again.
 * Results are JSON. Everything that depends on the moment happens inside of steps; what is between them
 * is computed from their results alone.
 */
export interface Durable {
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
}
