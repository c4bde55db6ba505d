/** Everything that a game day makes carries it, with the id of that game day: nothing without it is ever acted on. */
export const SCRATCH_LABEL = 'steward.game-day';
/** Where the game day that made it keeps its files: whether it still runs stands there. */
export const SCRATCH_HOME_LABEL = 'steward.game-day.home';
/** What discovery leaves alone. */
const IGNORE_LABEL = 'steward.ignore';

export function scratchLabels(id: string, home: string): Record<string, string> {
  return { [SCRATCH_LABEL]: id, [SCRATCH_HOME_LABEL]: home, [IGNORE_LABEL]: 'true' };
}
