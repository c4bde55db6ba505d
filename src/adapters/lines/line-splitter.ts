import { StringDecoder } from 'node:string_decoder';

const LONGEST = 8_192;

/** Lines out of pieces of bytes. One that is longer than anybody reads is cut, so that a log without line ends costs no memory. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  #rest = '';
  #cut = false;

  push(chunk: Buffer): string[] {
    const parts = (this.#rest + this.#decoder.write(chunk)).split('\n');
    this.#rest = parts.pop() ?? '';
    const lines: string[] = [];
    for (const part of parts) {
      if (!this.#cut) lines.push(shortened(part));
      this.#cut = false;
    }
    if (this.#rest.length > LONGEST) {
      if (!this.#cut) lines.push(shortened(this.#rest));
      this.#cut = true;
      this.#rest = '';
    }
    return lines;
  }
}

function shortened(line: string): string {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
