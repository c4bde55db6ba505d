import { State } from './state.tsx';

const UNDO = {
  automatic: 'taken back by itself if it fails',
  approval: 'a person has to take it back',
  none: 'cannot be taken back',
} as const;

export function Undo({ undo }: { readonly undo: keyof typeof UNDO }) {
  return <State word={UNDO[undo]} tone={undo === 'automatic' ? 'good' : undo === 'approval' ? 'warn' : 'bad'} />;
}
