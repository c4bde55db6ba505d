// What the main thread and a thread of a system say to each other, beside what these two have to tell.
import type { Json } from '../core/json.ts';

/** What can be asked of a thread, with what it answers. */
export type Askable<Q> = { readonly [K in keyof Q]: { readonly asked: unknown; readonly answer: unknown } };

/** Something that is told and not answered. */
export interface Note {
  readonly is: string;
}

/** Asked of every thread, and answered with nothing as soon as it comes to it. */
export const BEAT = 'beat';

export interface AskedOfThread {
  readonly is: 'asked';
  readonly number: number;
  readonly what: string;
  readonly of: unknown;
}

export type SaidByThread =
  | { readonly is: 'answered'; readonly number: number; readonly answer: unknown }
  | { readonly is: 'failed'; readonly number: number; readonly reason: string }
  | {
      readonly is: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, Json | undefined>>;
    };

export function isSaid(message: Note): message is SaidByThread {
  return message.is === 'answered' || message.is === 'failed' || message.is === 'log';
}
