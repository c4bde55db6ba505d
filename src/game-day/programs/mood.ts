import { readFileSync, writeFileSync } from 'node:fs';

/** What a service of the scratch stack can be asked to do wrong. */
export type Misbehavior =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'wedge' }
  | { readonly kind: 'hang' }
  | { readonly kind: 'close-port' }
  | { readonly kind: 'eat-memory' }
  | { readonly kind: 'hold-memory'; readonly percent: number }
  | { readonly kind: 'fill-disk'; readonly folder: string }
  | { readonly kind: 'lose-worker' }
  | { readonly kind: 'flap'; readonly everyMs: number }
  | { readonly kind: 'remember'; readonly mood: Mood; readonly thenExit?: number }
  | { readonly kind: 'take-all-connections' }
  | { readonly kind: 'hold-lock' };

/** What it does wrong from its next start on. */
export interface Mood {
  readonly failsAtStart?: boolean;
  /** So many of its next lives go wrong this long after their start. */
  readonly relapses?: { readonly times: number; readonly afterMs: number };
}

const FILE = '/steward-game-day/state/mood.json';

export function readMood(): Mood {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as Mood;
  } catch {
    return {};
  }
}

export function writeMood(mood: Mood): void {
  writeFileSync(FILE, JSON.stringify(mood));
}
