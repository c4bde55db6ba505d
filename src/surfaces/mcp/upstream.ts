import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  PROTOCOL_VERSION_META_KEY,
} from '@modelcontextprotocol/server';
import { ErrorBody } from '../../core/error-body.ts';
import { StewardError } from '../../core/errors.ts';

/** The revision that is spoken to the server, whatever the client in front speaks. */
const REVISION = '2026-07-28';

export interface Upstream {
  readonly url: string;
  readonly token: string;
}

/** On whose behalf it is asked. */
export interface Asker {
  readonly clientInfo: { readonly name: string; readonly version: string };
  readonly capabilities: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal | undefined;
  readonly onNotification?: ((notification: Notification) => Promise<void>) | undefined;
}

export interface Notification {
  readonly method: string;
  readonly params?: Record<string, unknown>;
}

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** An error of the server's protocol, to be handed on as it is. */
export class UpstreamError extends Error {
  readonly code: number;
  readonly data: unknown;

  constructor({ code, message, data }: { readonly code: number; readonly message: string; readonly data?: unknown }) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

const NAMED_BY: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
};

/** One request to the server, and its answer. UNAVAILABLE where nothing answers, UNAUTHENTICATED where the token is old. */
export async function ask(
  { url, token }: Upstream,
  method: string,
  params: Readonly<Record<string, unknown>>,
  asker: Asker,
): Promise<Record<string, unknown>> {
  const { _meta: meta, ...rest } = params as { _meta?: Record<string, unknown> };
  const envelope = {
    ...meta,
    [PROTOCOL_VERSION_META_KEY]: REVISION,
    [CLIENT_INFO_META_KEY]: asker.clientInfo,
    [CLIENT_CAPABILITIES_META_KEY]: asker.capabilities,
  };
  const name = params[NAMED_BY[method] ?? ''];
  const response = await reach(url, {
    method: 'POST',
    redirect: 'error',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': REVISION,
      'mcp-method': method,
      ...(typeof name === 'string' && { 'mcp-name': asHeader(name) }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...rest, _meta: envelope } }),
    signal: asker.signal ?? null,
  });
  for await (const message of messagesOf(response)) {
    if (message.error) throw new UpstreamError(message.error);
    if (message.result) return message.result;
    if (message.method !== undefined)
      await asker.onNotification?.({ method: message.method, params: message.params ?? {} });
  }
  throw new StewardError('UNAVAILABLE', `${url} ended without an answer.`, {
    hint: 'Is it being restarted? Ask again.',
  });
}

async function reach(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    const reason = (cause as { cause?: { code?: string } }).cause?.code ?? (cause as Error).message;
    throw new StewardError('UNAVAILABLE', `Nothing answers at ${url} (${reason}).`, {
      hint: 'Start Steward with npm start, or see steward doctor.',
      cause,
    });
  }
}

/** The messages of an answer, whether it is one or a stream of them. */
async function* messagesOf(response: Response): AsyncGenerator<Message> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') && response.body) {
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const frames = text.split(/\r?\n\r?\n/);
      text = frames.pop() ?? '';
      for (const frame of frames) {
        const data = frame
          .split(/\r?\n/)
          .flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trimStart()] : []));
        if (data.length > 0) yield JSON.parse(data.join('\n')) as Message;
      }
    }
    return;
  }
  const body = parsed(await response.text());
  if (body === undefined || !('jsonrpc' in body)) throw refusal(response, body);
  yield body as Message;
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}

function refusal({ url, status }: Response, body: { readonly error?: unknown } | undefined): StewardError {
  const error = ErrorBody.safeParse(body?.error);
  if (error.success) return new StewardError(error.data.code, error.data.message, { hint: error.data.hint });
  return new StewardError(
    'UNAVAILABLE',
    `${url} answered ${status} and is no Steward, or something stands before it.`,
    {
      hint: 'Check the address.',
    },
  );
}

/** What a header cannot carry goes encoded, as the protocol has it. */
function asHeader(text: string): string {
  const plain = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
