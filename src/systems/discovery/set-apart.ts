import type { Observation } from './observe.ts';

/** A container with this label is somebody's business that Steward keeps out of. */
const IGNORE_LABEL = 'steward.ignore';

/**
 * A game day and what it starts: its containers, its own Steward and that one's store. They come and go within minutes,
 * and their deaths are the point of it. Told by their paths, because a container may run under an engine that this
 * Steward does not know, and a store outlives the Steward that started it.
 */
const GAME_DAY = /(^|[/ ])steward-game-day(-[0-9a-f]+)?[-/]|\/(steward\.js|cli\.ts) game-day( |$)/;

/** What is not even to be known, unless the configuration names it. */
export function isSetApart({ container, root }: Pick<Observation, 'container' | 'root'>): boolean {
  return container?.labels[IGNORE_LABEL] === 'true' || (root !== undefined && GAME_DAY.test(root.argv.join(' ')));
}
