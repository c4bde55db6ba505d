import type { Leased, LeaseMore } from './leases.ts';
import type { NoteFromThread, NoteToThread } from './messages.ts';

/** Permits from the store, for a thread that has none: another one asks it. */
export interface LeaseByMessage {
  readonly more: LeaseMore;
  came(note: Exclude<NoteToThread, { is: 'services' }>): void;
}

export function leaseByMessage(tell: (note: NoteFromThread) => void): LeaseByMessage {
  const waiting = new Map<number, PromiseWithResolvers<readonly Leased[]>>();
  let number = 0;
  return {
    more(asked, leaseMs) {
      number += 1;
      const answer = Promise.withResolvers<readonly Leased[]>();
      waiting.set(number, answer);
      tell({ is: 'lease', number, asked, leaseMs });
      return answer.promise;
    },
    came(note) {
      const answer = waiting.get(note.number);
      waiting.delete(note.number);
      if (note.is === 'leased') answer?.resolve(note.leased);
      else answer?.reject(new Error(note.reason));
    },
  };
}
