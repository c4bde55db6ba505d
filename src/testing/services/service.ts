import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { z } from 'zod';

export interface ServiceRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | object;
}

/** A service that takes messages, as far as its publisher describes what it takes and how it answers. */
export interface Service {
  /** Where the publisher says so. */
  readonly published: string;
  /** Below the root of the server. */
  readonly path: string;
  answer(request: ServiceRequest): ServiceAnswer;
  /** What a person reads of what was taken. */
  shown(request: ServiceRequest): string;
  /** What the service would make more of than text: mentions, markup, links with another name. */
  markup(request: ServiceRequest): readonly string[];
}

/** How the server behaves instead: hung, or an answer that has nothing to do with the request. */
export type Mood = 'hung' | ServiceAnswer | undefined;

export interface RunningService {
  readonly url: string;
  readonly requests: readonly ServiceRequest[];
  /** Requests that the service refused, with what it answered. */
  readonly refused: readonly ServiceAnswer[];
  mood(mood: Mood): void;
  stop(): Promise<void>;
}

export async function startService(service: Pick<Service, 'answer' | 'path'>): Promise<RunningService> {
  const requests: ServiceRequest[] = [];
  const refused: ServiceAnswer[] = [];
  let mood: Mood;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://service');
      const one = { method: request.method ?? '', url, headers: request.headers, body };
      // Whoever looks around on this machine asks here, too, and is none of the test's.
      if (one.method === 'GET' && (url.pathname === '/' || url.pathname === '/mcp'))
        return response.writeHead(404).end();
      requests.push(one);
      if (mood === 'hung') return undefined;
      const answer = mood ?? service.answer(one);
      if (mood === undefined && answer.status >= 400) refused.push(answer);
      const text = typeof answer.body === 'object' ? JSON.stringify(answer.body) : (answer.body ?? '');
      return response.writeHead(answer.status, answer.headers).end(text);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${service.path}`,
    requests,
    refused,
    mood: (next) => void (mood = next),
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The body where it is JSON of the published form; otherwise what is wrong with it. */
export function bodyOf<Schema extends z.ZodType>(
  schema: Schema,
  { headers, body }: ServiceRequest,
):
  | { readonly data: z.output<Schema>; readonly wrong?: undefined }
  | { readonly data?: undefined; readonly wrong: string } {
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) return { wrong: 'expected application/json' };
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { wrong: 'no JSON' };
  }
  const { success, data, error } = schema.safeParse(json);
  return success
    ? { data }
    : { wrong: error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ') };
}

/** The body of a request that was taken. */
export function taken<Schema extends z.ZodType>(schema: Schema, { body }: ServiceRequest): z.output<Schema> {
  return schema.parse(JSON.parse(body));
}
