import type { Spent } from './limits.ts';
import type { Finding } from './method.ts';

/** Counts one wrong credential of an address, before it is known whether it is one. */
export type Guess = () => Promise<Spent>;

interface Shown {
  spent: Spent | undefined;
  readonly outcomes: Set<Finding['outcome']>;
}

/**
 * The guesses of one request. What nobody knows is counted before it is looked at, so that thousands at once find no more room than
 * one after the other, and given back where it was no guess: good or genuine in one way, or bad in none. Each thing that is shown is
 * one guess, in however many ways it was tried, and whatever is shown beside it.
 */
export function guesses(guess: Guess): {
  readonly mayTry: (credential: string) => Promise<boolean>;
  readonly came: (credential: string, outcome: Finding['outcome']) => void;
  /** What is left as a guess, counted; of several, one that had no room. */
  readonly settled: () => Promise<Spent | undefined>;
} {
  const shown = new Map<string, Shown>();

  function of(credential: string): Shown {
    let found = shown.get(credential);
    if (!found) shown.set(credential, (found = { spent: undefined, outcomes: new Set() }));
    return found;
  }

  return {
    async mayTry(credential) {
      return (of(credential).spent ??= await guess()).allowed;
    },
    came(credential, outcome) {
      of(credential).outcomes.add(outcome);
    },
    async settled() {
      let guessed: Spent | undefined;
      for (const { spent, outcomes } of shown.values()) {
        const wrong = outcomes.has('bad') && !outcomes.has('good') && !outcomes.has('unfit');
        if (wrong || spent?.allowed === false) {
          const counted = spent ?? (await guess());
          if (guessed?.allowed !== false) guessed = counted;
        } else await spent?.giveBack();
      }
      return guessed;
    },
  };
}
