import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * What a program prints, as an iterable that ends well only when the program did. Leaving it early ends the program.
 */
export async function* printedBy(
  start: (take: (output: AsyncIterable<Uint8Array>) => Promise<void>, signal: AbortSignal) => Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  const pass = new PassThrough({ highWaterMark: 1024 ** 2 });
  const stop = new AbortController();
  const running = start((output) => pipeline(output, pass), stop.signal);
  running.catch((error: Error) => pass.destroy(error));
  try {
    for await (const chunk of pass) yield chunk as Uint8Array;
    await running;
  } finally {
    stop.abort();
    pass.destroy();
    await running.catch(() => {});
  }
}

/** Text lines of what a program prints. */
export async function* linesOf(output: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of output) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}
