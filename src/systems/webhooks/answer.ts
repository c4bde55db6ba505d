import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is sent back. */
export interface Answer {
  readonly status: number;
  /** JSON. */
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

const NONE = {};
const DRAINED_BYTES = 64 * 1024;

export const answerOf = (status: number, body: object, headers: Answer['headers'] = NONE): Answer => ({
  status,
  text: JSON.stringify(body),
  headers,
});

export function send(response: ServerResponse, { status, text, headers }: Answer): void {
  const head = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(text))];
  head.push('cache-control', 'no-store');
  if (headers !== NONE) for (const [name, value] of Object.entries(headers)) head.push(name, value);
  response.writeHead(status, head);
  response.end(text);
}

/** Of what nobody wants a little is read, so that the connection can go on; with more on its way it ends with the answer. */
export function sendUnread(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const length = Number(request.headers['content-length'] ?? 0);
  const goesOn = request.headers['transfer-encoding'] === undefined && length <= DRAINED_BYTES;
  send(response, goesOn ? answer : { ...answer, headers: { ...answer.headers, connection: 'close' } });
}

/** Bytes that may still come into hand, of all requests together: whoever signs nothing can send much, and slowly. */
export interface Budget {
  left: number;
}

/** Each piece is an object beside its bytes: a body can come byte by byte. */
const PIECE_BYTES = 256;

/** All of it, or that it is longer than it may be, or that too much is in hand. */
export type Body = Buffer | 'too-large' | 'busy';

/** Where the sender left, nobody is told. What is read counts until it is answered. */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  { most, budget }: { readonly most: number; readonly budget: Budget },
  then: (body: Body) => void,
): void {
  let chunks: Buffer[] = [];
  let size = 0;
  let held = 0;
  let refused = false;
  const giveBack = (): void => {
    budget.left += held;
    held = 0;
  };
  request.on('data', (chunk: Buffer) => {
    if (refused) return;
    const cost = chunk.length + PIECE_BYTES;
    const isTooLarge = (size += chunk.length) > most;
    if (!isTooLarge && budget.left >= cost) {
      held += cost;
      budget.left -= cost;
      chunks.push(chunk);
      return;
    }
    refused = true;
    chunks = [];
    giveBack();
    then(isTooLarge ? 'too-large' : 'busy');
  });
  request.on('end', () => {
    if (!refused) then(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
  });
  request.on('error', () => undefined);
  response.once('close', giveBack);
}

/** One header, as the handlers ask for it. */
export const headerOf =
  ({ headers }: Pick<IncomingMessage, 'headers'>) =>
  (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
