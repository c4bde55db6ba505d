import type { Readable } from 'node:stream';
import { LineSplitter } from '../lines/line-splitter.ts';

/** The lines of a container's log. Without a terminal the engine frames both streams: 1 byte stream, 3 zero, 4 length, data. */
export function logLines(raw: Buffer, terminal: boolean): string[] {
  const text = (terminal ? raw : unframed(raw)).toString('utf8');
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function unframed(raw: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + 8 <= raw.length) {
    const length = raw.readUInt32BE(at + 4);
    parts.push(raw.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts);
}

const HEADER = 8;

/** Hands on whole lines of a log that is being written, until it ends or the signal ends it. */
export async function readFrames(
  stream: Readable,
  { terminal, signal }: { readonly terminal: boolean; readonly signal: AbortSignal },
  emit: (lines: string[]) => void,
): Promise<void> {
  // Both streams have lines of their own: what one has begun, the other does not end.
  const splitters = new Map<number, LineSplitter>();
  const push = (kind: number, data: Buffer): void => {
    const splitter = splitters.get(kind) ?? new LineSplitter();
    splitters.set(kind, splitter);
    const lines = splitter.push(data);
    if (lines.length > 0) emit(lines);
  };
  const end = (): void => void stream.destroy();
  signal.addEventListener('abort', end, { once: true });
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (terminal) push(1, chunk);
      else {
        rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
        while (rest.length >= HEADER) {
          const length = rest.readUInt32BE(4);
          if (rest.length < HEADER + length) break;
          push(rest[0] ?? 1, rest.subarray(HEADER, HEADER + length));
          rest = rest.subarray(HEADER + length);
        }
      }
    }
  } finally {
    signal.removeEventListener('abort', end);
  }
}
