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
