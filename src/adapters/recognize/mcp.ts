import type { Sighting } from '../../core/recognizer.ts';
import { unchunked } from './chunks.ts';
import { type HttpAnswer, type HttpLook, request } from './http.ts';
import { shown } from './talk.ts';

interface Asking {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const CLIENT = { name: 'steward-discovery', version: '1' };
const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';
const ACCEPT = 'application/json, text/event-stream';
/** Pages of a list of tools that are asked for; what has more says so. */
const MOST_PAGES = 5;
const MOST_NAMES = 50;

/**
 * A tool server for AI assistants at /mcp. It is asked with a GET first: its refusal is of a certain kind, so an ordinary
 * site is never posted to. Then who it is and how many tools it has; none of them is called.
 */
export async function lookMcp(target: HttpLook, asking: Asking, expected: boolean): Promise<Sighting | undefined> {
  if (!expected && !(await mayBeMcp(target, asking))) return undefined;
  return (await legacy(target, asking)) ?? (await modern(target, asking));
}

async function mayBeMcp(target: HttpLook, asking: Asking): Promise<boolean> {
  const answer = await request(target, '/mcp', { ...asking, accept: 'text/event-stream' });
  return (
    answer !== undefined &&
    ([400, 405, 406].includes(answer.status) ||
      /"jsonrpc"/.test(answer.body) ||
      /event-stream/.test(answer.headers['content-type'] ?? ''))
  );
}

/** Up to 2025-11-25: initialize, and where it gives a session, that is ended again. */
async function legacy(target: HttpLook, asking: Asking): Promise<Sighting | undefined> {
  const call = caller(target, asking);
  const { answer, result } = await call(
    'initialize',
    { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT },
    {},
  );
  const protocol = said(result?.protocolVersion);
  const server = result?.serverInfo as { name?: unknown; version?: unknown } | undefined;
  if (!answer || !protocol || !server) return undefined;
  const session = answer.headers['mcp-session-id'];
  const headers = { 'mcp-protocol-version': protocol, ...(session ? { 'mcp-session-id': session } : {}) };
  await call('notifications/initialized', undefined, headers);
  const tools = await listTools((cursor) => call('tools/list', cursor ? { cursor } : {}, headers));
  if (session) await request(target, '/mcp', { ...asking, method: 'DELETE', headers });
  return sighting(target, server, protocol, tools);
}

/** From 2026-07-28 on: every request says all there is to say. */
async function modern(target: HttpLook, asking: Asking): Promise<Sighting | undefined> {
  const call = caller(target, asking);
  const meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': CLIENT,
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const headers = (method: string) => ({ 'mcp-protocol-version': MODERN, 'mcp-method': method });
  const { result } = await call('server/discover', { _meta: meta }, headers('server/discover'));
  if (!Array.isArray(result?.supportedVersions)) return undefined;
  const told = (result._meta as Record<string, unknown> | undefined)?.['io.modelcontextprotocol/serverInfo'];
  const server = told as { name?: unknown; version?: unknown } | undefined;
  const tools = await listTools((cursor) =>
    call('tools/list', { ...(cursor ? { cursor } : {}), _meta: meta }, headers('tools/list')),
  );
  return sighting(target, server ?? {}, said(result.supportedVersions[0]) || MODERN, tools);
}

type Call = (
  method: string,
  params: object | undefined,
  headers: Readonly<Record<string, string>>,
) => Promise<{ readonly answer: HttpAnswer | undefined; readonly result: Record<string, unknown> | undefined }>;

function caller(target: HttpLook, asking: Asking): Call {
  let id = 0;
  return async (method, params, headers) => {
    const notification = params === undefined;
    if (!notification) id += 1;
    const body = JSON.stringify({ jsonrpc: '2.0', ...(notification ? {} : { id }), method, ...(params && { params }) });
    const answer = await request(target, '/mcp', { ...asking, method: 'POST', body, accept: ACCEPT, headers });
    return { answer, result: answer?.status === 200 ? resultOf(answer, id) : undefined };
  };
}

/** The result in a JSON body, or in the event of a stream that carries it. */
function resultOf({ headers, body }: HttpAnswer, id: number): Record<string, unknown> | undefined {
  const plain = /chunked/i.test(headers['transfer-encoding'] ?? '') ? unchunked(body) : body;
  const events = plain
    .split(/\r?\n\r?\n/)
    .map((event) => [...event.matchAll(/^data: ?(.*)$/gm)].map(([, line]) => line).join('\n'));
  for (const text of [plain, ...events]) {
    try {
      const message = JSON.parse(text) as { id?: unknown; result?: unknown } | null;
      if (message?.id === id && typeof message.result === 'object' && message.result !== null)
        return message.result as Record<string, unknown>;
    } catch {
      // The next one, then.
    }
  }
  return undefined;
}

interface Tools {
  /** `12`, `500+` where there are more pages than are asked for. */
  readonly count: string;
  readonly names: readonly string[];
}

/** Undefined where it does not say. None of them is called; what they are called is text of a stranger. */
async function listTools(list: (cursor: string | undefined) => ReturnType<Call>): Promise<Tools | undefined> {
  let count = 0;
  const names: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const { result } = await list(cursor);
    if (!Array.isArray(result?.tools)) return page === 0 ? undefined : { count: `${count}+`, names };
    count += result.tools.length;
    for (const tool of result.tools.slice(0, MOST_NAMES - names.length))
      names.push(said((tool as { name?: unknown } | null)?.name));
    cursor = typeof result.nextCursor === 'string' ? result.nextCursor : undefined;
    if (cursor === undefined) return { count: String(count), names };
  }
  return { count: `${count}+`, names };
}

function sighting(
  { tls }: HttpLook,
  server: { readonly name?: unknown; readonly version?: unknown },
  protocol: string,
  tools: Tools | undefined,
): Sighting {
  const name = said(server.name);
  return {
    source: 'handshake',
    protocol: 'mcp',
    product: 'mcp-server',
    version: said(server.version) || undefined,
    tls,
    detail: `/mcp answers as ${name || 'a server without a name'}, protocol ${protocol}${tools ? `, ${tools.count} tools` : ''}`,
    fields: {
      name,
      protocol,
      transport: 'http',
      ...(tools && { tools: tools.count, toolNames: tools.names.filter((each) => each !== '').join(', ') }),
    },
  };
}

/** What may be kept of a peer's words. */
function said(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? shown(String(value), 60) : '';
}
