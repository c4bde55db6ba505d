/** What Redis answers. An error is a value here: of many commands at once each has its own. */
export type Reply = Buffer | number | null | RespError | readonly Reply[];

export class RespError {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

export function encode(words: readonly (string | Buffer | number)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${words.length}\r\n`)];
  for (const word of words) {
    const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, END);
  }
  return Buffer.concat(pieces);
}
const END = Buffer.from('\r\n');

/** Takes what comes in pieces, and gives the answers that are whole. */
export class ReplyReader {
  #waiting: Buffer[] = [];
  #length = 0;
  /** Nothing can be whole before so much is there: a large answer is not looked through with each piece of it. */
  #needed = 1;

  push(chunk: Buffer): Reply[] {
    this.#waiting.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return [];
    const bytes = Buffer.concat(this.#waiting);
    const replies: Reply[] = [];
    let at = 0;
    this.#needed = bytes.length + 1;
    for (;;) {
      const parsed = this.#parse(bytes, at);
      if (!parsed) break;
      replies.push(parsed.reply);
      at = parsed.end;
    }
    const rest = bytes.subarray(at);
    this.#waiting = rest.length > 0 ? [rest] : [];
    this.#length = rest.length;
    this.#needed = Math.max(1, this.#needed - at);
    return replies;
  }

  #parse(bytes: Buffer, at: number): { readonly reply: Reply; readonly end: number } | undefined {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return undefined;
    const line = bytes.toString('utf8', at + 1, lineEnd);
    const next = lineEnd + 2;
    switch (bytes[at] ?? 0) {
      case 0x24: {
        const length = Number(line);
        if (length < 0) return { reply: null, end: next };
        const end = next + length + 2;
        if (bytes.length < end) {
          this.#needed = Math.max(this.#needed, end);
          return undefined;
        }
        return { reply: bytes.subarray(next, next + length), end };
      }
      case 0x2a: {
        const items: Reply[] = [];
        let end = next;
        for (let left = Number(line); left > 0; left -= 1) {
          const item = this.#parse(bytes, end);
          if (!item) return undefined;
          items.push(item.reply);
          end = item.end;
        }
        return { reply: items, end };
      }
      case 0x3a:
        return { reply: Number(line), end: next };
      case 0x2d:
        return { reply: new RespError(line), end: next };
      default:
        return { reply: Buffer.from(line), end: next };
    }
  }
}
