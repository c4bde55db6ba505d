// What every thread of a system does with what the main thread says to it.
import { parentPort } from 'node:worker_threads';
import type { Log } from '../core/log.ts';
import { type Askable, type AskedOfThread, BEAT, type Note, type SaidByThread } from './thread-messages.ts';

type Soon<T> = T | Promise<T>;

export type Answers<Q extends Askable<Q>> = { readonly [K in keyof Q]: (asked: Q[K]['asked']) => Soon<Q[K]['answer']> };

export interface ThreadSide<FromThread extends Note> {
  tell(note: FromThread): void;
  readonly log: Log;
}

/** Whoever sends nonsense must not fill the log, nor keep the main thread busy with it. */
const MOST_DEBUG_A_SECOND = 20;

/** For the program of a thread, once: what it can tell before it answers anything. */
export function threadSide<FromThread extends Note = never>(): ThreadSide<FromThread> {
  return { tell: (note) => say(note), log: logThatTells() };
}

/** From now on it answers, and gives `onNote` what it is told. */
export function answerMain<Q extends Askable<Q>>(answers: Answers<Q>, onNote: (note: never) => void): void {
  async function answer({ number, what, of }: AskedOfThread): Promise<void> {
    try {
      const found: unknown = what === BEAT ? null : await answers[what as keyof Q](of);
      say({ is: 'answered', number, answer: found });
    } catch (thrown) {
      say({ is: 'failed', number, reason: String(thrown) });
    }
  }
  main().on('message', (message: Note) => {
    if (isAsked(message)) void answer(message);
    else onNote(message as never);
  });
}

function main(): NonNullable<typeof parentPort> {
  if (!parentPort) throw new Error('This is started as a thread.');
  return parentPort;
}

function say(message: SaidByThread | Note): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  main().postMessage(message);
}

function isAsked(message: Note): message is AskedOfThread {
  return message.is === 'asked';
}

function logThatTells(): Log {
  let second = 0;
  let debugged = 0;
  const told =
    (level: Extract<SaidByThread, { is: 'log' }>['level']): Log['info'] =>
    (message, fields = {}) =>
      say({ is: 'log', level, message, fields });
  const debug = told('debug');
  return {
    debug(message, fields) {
      const at = Math.floor(performance.now() / 1000);
      if (at !== second) [second, debugged] = [at, 0];
      if ((debugged += 1) <= MOST_DEBUG_A_SECOND) debug(message, fields);
    },
    info: told('info'),
    warn: told('warn'),
    error: told('error'),
  };
}
