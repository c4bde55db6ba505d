import { State } from './state.tsx';

const WORDS = {
  read: ['only looks', 'good'],
  write: ['changes', 'calm'],
  destructive: ['destroys', 'bad'],
} as const;

export function Effect({ effect }: { readonly effect: keyof typeof WORDS }) {
  const [word, tone] = WORDS[effect];
  return <State word={word} tone={tone} />;
}
