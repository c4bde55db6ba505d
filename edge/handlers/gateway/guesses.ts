import type { Spent } from './limits.ts';
import type { Finding } from './method.ts';
import { type Patience, patienceOf } from './patience.ts';
import type { Counts, Turn, Turns } from './turns.ts';

interface Shown {
  turn: Turn | undefined;
  readonly outcomes: Set<Finding['outcome']>;
}

/**
 * The guesses of one request. What nobody knows is counted before it is looked at, so that thousands at once find no more room than
 * one after the other, and given back where it was no guess: good or genuine in one way, or bad in none. Each thing that is shown is
 * one guess, in however many ways it was tried, and whatever is shown beside it.
 */
export function guesses(
  counts: Counts,
  turns: Turns,
): {
  /** For what another request found out about the same: as long as for its turn, and not once more. */
  readonly waitFor: Patience['waitFor'];
  readonly mayTry: (credential: string) => Promise<Turn['is']>;
  readonly came: (credential: string, outcome: Finding['outcome']) => void;
  /** The count that the request is in by what it showed, if in any; of several, one that had no room. */
  readonly settled: (good: boolean) => Promise<Spent | undefined>;
  /** Whatever came of it: others may have their turn. */
  readonly over: () => void;
} {
  const shown = new Map<string, Shown>();
  const patience = patienceOf(counts.waitMs);

  function of(credential: string): Shown {
    let found = shown.get(credential);
    if (!found) shown.set(credential, (found = { turn: undefined, outcomes: new Set() }));
    return found;
  }

  const holdsOne = (): boolean => [...shown.values()].some(({ turn }) => turn?.is === 'go');

  /** Genuine, but not for here or not for now: a stranger; where its address has no room for strangers, a guess. */
  async function unfit(spent: Spent): Promise<Spent> {
    const stranger = await counts.stranger();
    if (stranger.allowed) await spent.giveBack();
    return { ...stranger, traces: [...stranger.traces, ...(stranger.allowed ? [] : spent.traces)] };
  }

  async function countOf({ turn, outcomes }: Shown, good: boolean): Promise<Spent | undefined> {
    if (turn && turn.is !== 'go') return turn.spent;
    if (outcomes.has('bad') && !outcomes.has('good') && !outcomes.has('unfit'))
      return turn?.spent ?? (await counts.guess());
    if (turn && outcomes.has('unfit') && !good) return await unfit(turn.spent);
    await turn?.spent.giveBack();
    return undefined;
  }

  return {
    waitFor: patience.waitFor,
    async mayTry(credential) {
      const found = of(credential);
      found.turn ??= await turns.take(counts, patience, !holdsOne());
      return found.turn.is;
    },
    came(credential, outcome) {
      of(credential).outcomes.add(outcome);
    },
    async settled(good) {
      let counted: Spent | undefined;
      for (const each of shown.values()) {
        const spent = await countOf(each, good);
        if (counted?.allowed !== false) counted = spent ?? counted;
      }
      return counted;
    },
    over() {
      patience.over();
      for (const { turn } of shown.values()) turn?.end();
    },
  };
}
