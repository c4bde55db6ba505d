// Ids that say when they were made, so that what they stand for is found where that time is (UUID, version 7).
import { randomUUID } from 'node:crypto';

export function createRequestIds(now: () => Date): () => string {
  let at = -1;
  let time = '';
  return () => {
    const present = now().getTime();
    if (present !== at) {
      at = present;
      const hex = present.toString(16).padStart(12, '0');
      time = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
    }
    return time + randomUUID().slice(time.length);
  };
}

/** Unix milliseconds; nothing where it does not say. */
export function timeOfId(id: string): number | undefined {
  const [, high, low] = /^([0-9a-f]{8})-([0-9a-f]{4})-7/i.exec(id) ?? [];
  return high === undefined || low === undefined ? undefined : Number.parseInt(high + low, 16);
}
