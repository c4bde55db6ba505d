import type { Sighting } from '../../core/recognizer.ts';
import { shown, talk } from './talk.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly title: string;
  readonly body: string;
}

/** Head and beginning of the body; undefined where it is not HTTP. Chunk sizes inside the body do not matter to what is looked for. */
export function parseAnswer(received: Buffer): HttpAnswer | undefined {
  const text = received.toString('utf8');
  const status = /^HTTP\/\d(?:\.\d)? (\d{3})/.exec(text)?.[1];
  if (!status) return undefined;
  const end = text.indexOf('\r\n\r\n');
  const head = end < 0 ? text : text.slice(0, end);
  const body = end < 0 ? '' : text.slice(end + 4);
  const headers: Record<string, string> = {};
  for (const line of head.split('\r\n').slice(1, 41)) {
    const at = line.indexOf(':');
    const name = line.slice(0, at).toLowerCase();
    if (at > 0 && name !== 'set-cookie') headers[name] = shown(line.slice(at + 1), 200);
  }
  return {
    status: Number(status),
    headers,
    title: shown(/<title[^>]{0,200}>([^<]{0,200})/i.exec(body)?.[1] ?? '', 120),
    body,
  };
}

export interface HttpLook {
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

/** One request, without following anything. */
export async function request(
  target: HttpLook,
  path: string,
  options: {
    timeoutMs: number;
    signal: AbortSignal;
    method?: 'GET' | 'POST' | 'DELETE';
    body?: string;
    accept?: string;
    headers?: Readonly<Record<string, string>>;
  },
): Promise<HttpAnswer | undefined> {
  const connection = await talk(target, { timeoutMs: options.timeoutMs, tls: target.tls, signal: options.signal });
  if (!connection) return undefined;
  try {
    const body = options.body ?? '';
    connection.write(
      [
        `${options.method ?? 'GET'} ${path} HTTP/1.1`,
        `Host: localhost:${target.port}`,
        'User-Agent: steward-discovery',
        `Accept: ${options.accept ?? '*/*'}`,
        'Connection: close',
        ...Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
        ...(body ? ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`] : []),
        '',
        body,
      ].join('\r\n'),
    );
    // Never enough: the peer closes, the cap is reached, or the time is up.
    return parseAnswer(await connection.read(options.timeoutMs, complete));
  } finally {
    connection.end();
  }
}

function complete(received: Buffer): boolean {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const head = received.toString('latin1', 0, end);
  if (/\r\ntransfer-encoding: *chunked/i.test(head) && received.toString('latin1').endsWith('\r\n0\r\n\r\n'))
    return true;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return length !== undefined && received.length >= end + 4 + Number(length);
}

/** What the front page says about itself. */
export function frontPage(answer: HttpAnswer, tls: boolean): Sighting {
  const { headers } = answer;
  const said = [
    headers.server && `Server: ${headers.server}`,
    headers['x-powered-by'] && `X-Powered-By: ${headers['x-powered-by']}`,
    answer.title && `title: ${answer.title}`,
  ]
    .filter(Boolean)
    .join(', ');
  return {
    source: 'http',
    protocol: 'http',
    tls,
    detail: shown(`HTTP ${answer.status}${said ? `, ${said}` : ''}`, 200),
    fields: {
      status: String(answer.status),
      title: answer.title,
      body: shown(answer.body, 400),
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [`header.${name}`, value])),
    },
  };
}
