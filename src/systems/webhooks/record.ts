// How a delivery lies in the journal: length and checksum, then what is known of it as JSON, then the body as it came.
import { crc32 } from 'node:zlib';
import type { Accepted } from '../../../edge/handlers/webhooks/receive.ts';

/** A delivery that was accepted. */
export interface Delivery extends Omit<Accepted, 'is'> {
  readonly receivedAt: Date;
  readonly address: string;
  readonly body: Buffer;
}

const HEAD_BYTES = 12;
/** Longer than any delivery may be: a length beyond it is damage. */
const LONGEST_BYTES = 64 * 1024 * 1024;

export function encode({ body, ...about }: Delivery): Buffer {
  const meta = Buffer.from(JSON.stringify(about));
  const record = Buffer.allocUnsafe(HEAD_BYTES + meta.length + body.length);
  record.writeUInt32LE(meta.length + body.length, 0);
  record.writeUInt32LE(meta.length, 8);
  meta.copy(record, HEAD_BYTES);
  body.copy(record, HEAD_BYTES + meta.length);
  record.writeUInt32LE(crc32(record.subarray(8)), 4);
  return record;
}

export interface Decoded {
  readonly delivery: Delivery;
  /** Where the next record begins. */
  readonly end: number;
}

/** The record that begins there: `more` where it goes on behind these bytes, `damaged` where it is none. */
export function decode(bytes: Buffer, at: number): Decoded | 'more' | 'damaged' {
  if (bytes.length - at < HEAD_BYTES) return 'more';
  const length = bytes.readUInt32LE(at);
  const metaLength = bytes.readUInt32LE(at + 8);
  if (length > LONGEST_BYTES || metaLength > length || metaLength === 0) return 'damaged';
  const end = at + HEAD_BYTES + length;
  if (bytes.length < end) return 'more';
  if (crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) return 'damaged';
  const metaEnd = at + HEAD_BYTES + metaLength;
  const about = JSON.parse(bytes.toString('utf8', at + HEAD_BYTES, metaEnd)) as Omit<
    Delivery,
    'body' | 'receivedAt'
  > & {
    receivedAt: string;
  };
  // A copy: the bytes it lies in are used again.
  const body = Buffer.from(bytes.subarray(metaEnd, end));
  return { delivery: { ...about, receivedAt: new Date(about.receivedAt), body }, end };
}
