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

/** All of the body, or that it is too long. Where the sender left, nobody is told. */
export function readBody(request: IncomingMessage, most: number, then: (body: Buffer | 'too-large') => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    const fitted = size <= most;
    size += chunk.length;
    if (size <= most) chunks.push(chunk);
    else if (fitted) then('too-large');
  });
  request.on('end', () => {
    if (size <= most) then(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks));
  });
  request.on('error', () => undefined);
}

/** One header, as the handlers ask for it. */
export const headerOf =
  ({ headers }: Pick<IncomingMessage, 'headers'>) =>
  (name: string): string | undefined => {
    const value = headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
