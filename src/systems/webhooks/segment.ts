import { open } from 'node:fs/promises';
import { decode, type Delivery } from './record.ts';

export interface SegmentPart {
  readonly deliveries: readonly Delivery[];
  /** Where the next part begins. */
  readonly end: number;
  /** There are none, because what begins there cannot be read, though the file says that it goes on. */
  readonly damaged: boolean;
}

const CHUNK_BYTES = 1024 * 1024;

export async function readSegment(
  path: string,
  { from, to, most }: { readonly from: number; readonly to: number; readonly most: number },
): Promise<SegmentPart> {
  const file = await open(path, 'r');
  try {
    const deliveries: Delivery[] = [];
    let end = from;
    for (let bytes = Math.min(CHUNK_BYTES, to - end); ;) {
      const chunk = Buffer.allocUnsafe(bytes);
      const { bytesRead } = await file.read(chunk, 0, bytes, end);
      const part = chunk.subarray(0, bytesRead);
      let at = 0;
      let outcome = decode(part, at);
      while (typeof outcome === 'object' && deliveries.length < most) {
        deliveries.push(outcome.delivery);
        at = outcome.end;
        outcome = decode(part, at);
      }
      end += at;
      if (deliveries.length >= most || end >= to) return { deliveries, end, damaged: false };
      if (deliveries.length > 0) return { deliveries, end, damaged: false };
      if (outcome === 'damaged') return { deliveries, end, damaged: true };
      // One record that is longer than the chunk, or one that was never written whole.
      if (bytes >= to - end) return { deliveries, end, damaged: true };
      bytes = Math.min(bytes * 4, to - end);
    }
  } finally {
    await file.close();
  }
}

/** Where the first whole record behind `from` begins; `to` where there is none. */
export async function nextRecord(
  path: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<number> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(to - from), 0, to - from, from);
    const bytes = buffer.subarray(0, bytesRead);
    for (let at = 1; at < bytes.length; at += 1) if (typeof decode(bytes, at) === 'object') return from + at;
    return to;
  } finally {
    await file.close();
  }
}
