import { networkOf } from '../../core/network.ts';
import { hashSecret } from './secrets.ts';

const MINUTE_MS = 60_000;
/** Credentials that may be wrong, in a minute, from one address. */
const REFUSALS = 60;
/** Of those, what goes into the record within a quarter of an hour. */
const RECORDED = 10;
const RECORD_WINDOW_MS = 15 * MINUTE_MS;
/** Requests without any credential: they cost nothing but the answer. */
const BARE = 1_200;
const KNOWN_FOR_MS = 15 * MINUTE_MS;
const MOST = 5_000;

interface Sender {
  minute: number;
  refused: number;
  bare: number;
  recordedSince: number;
  recorded: number;
}

export interface Senders {
  /** False where so many credentials were refused that this one, never seen to be good, is not even looked at. */
  mayTry(from: string, credential: string): boolean;
  /** False where somebody without a credential asks all the time. */
  mayAsk(from: string): boolean;
  good(credential: string): void;
  /** Whether to write it down, and whether it was the one too many. */
  bad(from: string): { readonly record: boolean; readonly lockedOut: boolean };
}

/**
 * Tokens cannot be guessed, but whoever sends them by the thousand fills the log and keeps the store busy. What was good a while
 * ago passes in any case: one script with an old token must not lock out everybody else behind the same address.
 */
export function createSenders(now: () => Date): Senders {
  const senders = new Map<string, Sender>();
  const known = new Map<string, number>();

  function senderOf(from: string): Sender {
    const key = networkOf(from);
    const at = now().getTime();
    let sender = senders.get(key);
    if (!sender) {
      sender = { minute: at, refused: 0, bare: 0, recordedSince: at, recorded: 0 };
      bounded(senders, key, sender);
    }
    if (at - sender.minute >= MINUTE_MS) Object.assign(sender, { minute: at, refused: 0, bare: 0 });
    if (at - sender.recordedSince >= RECORD_WINDOW_MS) Object.assign(sender, { recordedSince: at, recorded: 0 });
    return sender;
  }

  return {
    mayTry(from, credential) {
      if (senderOf(from).refused < REFUSALS) return true;
      const until = known.get(hashSecret(credential));
      return until !== undefined && until > now().getTime();
    },
    mayAsk(from) {
      const sender = senderOf(from);
      sender.bare += 1;
      return sender.bare <= BARE;
    },
    good(credential) {
      bounded(known, hashSecret(credential), now().getTime() + KNOWN_FOR_MS);
    },
    bad(from) {
      const sender = senderOf(from);
      sender.refused += 1;
      sender.recorded += 1;
      return { record: sender.recorded <= RECORDED, lockedOut: sender.refused === REFUSALS };
    },
  };
}

/** The oldest makes room. */
function bounded<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST) map.delete(map.keys().next().value ?? key);
}
