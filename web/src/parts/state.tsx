import classes from './state.module.css';
import { type Tone, toneOf } from './tone.ts';

/** A word for how something is, with a shape that tells its tone apart without colour. */
export function State({ word, tone = toneOf(word) }: { readonly word: string; readonly tone?: Tone }) {
  return (
    <span className={classes.state} data-tone={tone}>
      {word.replaceAll('-', ' ')}
    </span>
  );
}
