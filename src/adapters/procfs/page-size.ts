import { readFileSync } from 'node:fs';

const AT_PAGESZ = 6n;
const ENTRY_BYTES = 16;
/** Of nearly every machine. */
const USUAL_BYTES = 4_096;

/** Bytes of a page of memory, in which the kernel counts what processes hold; from what it told this one at its start. */
export function pageBytes(auxiliary: Buffer = readAuxiliary()): number {
  for (let at = 0; at + ENTRY_BYTES <= auxiliary.length; at += ENTRY_BYTES)
    if (auxiliary.readBigUInt64LE(at) === AT_PAGESZ) return Number(auxiliary.readBigUInt64LE(at + 8));
  return USUAL_BYTES;
}

function readAuxiliary(): Buffer {
  try {
    return readFileSync('/proc/self/auxv');
  } catch {
    return Buffer.alloc(0);
  }
}
