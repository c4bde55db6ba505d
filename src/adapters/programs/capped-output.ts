import type { Readable } from 'node:stream';

/** Keeps the first `limit` bytes of a stream and counts the rest, so that a program that never stops talking costs no memory. */
export class CappedOutput {
  readonly #chunks: Buffer[] = [];
  readonly #limit: number;
  #kept = 0;
  #dropped = 0;

  constructor(stream: Readable, limit: number) {
    this.#limit = limit;
    stream.on('data', (chunk: Buffer) => {
      const room = this.#limit - this.#kept;
      const part = chunk.length > room ? chunk.subarray(0, room) : chunk;
      if (part.length > 0) this.#chunks.push(part);
      this.#kept += part.length;
      this.#dropped += chunk.length - part.length;
    });
    // A broken pipe is the end of the output; what the program did shows in its exit code.
    stream.on('error', () => {});
  }

  get truncated(): boolean {
    return this.#dropped > 0;
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}
