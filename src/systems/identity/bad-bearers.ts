const WINDOW_MS = 15 * 60_000;
const RECORDED = 10;
const SENDERS = 5_000;

/**
 * Tokens cannot be guessed, so a bad one locks nobody out; but neither may whoever sends them fill the log.
 * Says whether this one is to be recorded.
 */
export function createBadBearers(now: () => Date) {
  const senders = new Map<string, { since: number; count: number }>();
  return {
    count(from: string): 'record' | 'silent' {
      const at = now().getTime();
      let sender = senders.get(from);
      if (!sender || at - sender.since > WINDOW_MS) {
        senders.delete(from);
        sender = { since: at, count: 0 };
        senders.set(from, sender);
      }
      if (senders.size > SENDERS) senders.delete(senders.keys().next().value ?? from);
      sender.count += 1;
      return sender.count <= RECORDED ? 'record' : 'silent';
    },
  };
}
