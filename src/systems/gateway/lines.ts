/** Lines that wait to be written. They become bytes at once: objects that wait would outlive what they are about. */
export interface Lines {
  add(record: object): void;
  readonly count: number;
  /** In bytes. */
  readonly size: number;
  bytes(): Buffer;
}

const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

export function createLines(): Lines {
  const full: Buffer[] = [];
  let block: Buffer = Buffer.alloc(0);
  let used = 0;
  let count = 0;
  let size = 0;

  /** A character is three bytes at most. */
  function makeRoom(characters: number): void {
    const most = characters * 3 + 1;
    if (used + most <= block.length) return;
    full.push(block.subarray(0, used));
    [block, used] = [Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, most)), 0];
  }

  return {
    add(record) {
      const line = JSON.stringify(record);
      makeRoom(line.length);
      const length = block.write(line, used) + 1;
      block[used + length - 1] = NEWLINE;
      used += length;
      size += length;
      count += 1;
    },
    get count() {
      return count;
    },
    get size() {
      return size;
    },
    bytes: () => Buffer.concat([...full, block.subarray(0, used)]),
  };
}
