import { State } from '../../parts/state.tsx';

const [GOOD, FAIR] = [90, 70];

/** A score as a word; where there is none, nothing was known for long enough. */
export function ScoreState({ score }: { readonly score: number | undefined }) {
  if (score === undefined) return <State word="no score yet" tone="calm" />;
  return <State word={`${score} of 100`} tone={score >= GOOD ? 'good' : score >= FAIR ? 'warn' : 'bad'} />;
}
