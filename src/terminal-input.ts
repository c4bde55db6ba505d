import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** Asks whoever sits at the terminal. What is hidden is not shown while it is typed. */
export async function ask(question: string, { hidden = false }: { readonly hidden?: boolean } = {}): Promise<string> {
  if (hidden) process.stderr.write(question);
  // Readline shows what is typed by writing it; here it writes to nobody.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const reader = createInterface({
    input: process.stdin,
    output: hidden ? silent : process.stderr,
    terminal: true,
    historySize: 0,
  });
  try {
    const ended = new AbortController();
    const closed = once(reader, 'close', { signal: ended.signal }).then(() => '');
    const answer = await Promise.race([reader.question(hidden ? '' : question), closed.catch(() => '')]);
    ended.abort();
    return answer;
  } finally {
    reader.close();
    if (hidden) process.stderr.write('\n');
  }
}

export const readAll = (): Promise<string> => text(process.stdin);
