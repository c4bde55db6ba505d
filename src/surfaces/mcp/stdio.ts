import type { Readable, Writable } from 'node:stream';
import {
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type ClientCapabilities,
  type Implementation,
  ProtocolError,
  ProtocolErrorCode,
  Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { StewardError } from '../../core/errors.ts';
import { ask, type Asker, type Upstream, UpstreamError } from './upstream.ts';

/** What is handed on as it is; the rest of the protocol is between the client and this process. */
const HANDED_ON = [
  'tools/list',
  'tools/call',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'prompts/list',
  'prompts/get',
  'completion/complete',
] as const;

export interface StdioOptions {
  /** The server and its credential, looked up anew with each request: both change when it is restarted. */
  readonly upstream: () => Promise<Upstream>;
  readonly version: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
}

/** Serves one client over stdio by the Steward that runs. Resolves when the client is gone; rejects where none answers. */
export async function serveMcpOnStdio({ upstream, version, stdin, stdout }: StdioOptions): Promise<void> {
  const self = { name: 'steward-mcp', version };
  // Before anything is read: a client is told at once that there is nobody to serve it.
  const { instructions } = await ask(await upstream(), 'server/discover', {}, { clientInfo: self, capabilities: {} });

  function create(): Server {
    const server = new Server(
      { name: 'steward', title: 'Steward', version },
      {
        capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} },
        ...(typeof instructions === 'string' && { instructions }),
      },
    );
    for (const method of HANDED_ON) {
      server.setRequestHandler(method, async ({ params }: { params?: object | undefined }, ctx: ServerContext) => {
        const state: unknown = ctx.mcpReq.requestState();
        const given = {
          ...params,
          ...(ctx.mcpReq._meta && { _meta: ctx.mcpReq._meta }),
          ...(ctx.mcpReq.inputResponses && { inputResponses: ctx.mcpReq.inputResponses }),
          ...(typeof state === 'string' && { requestState: state }),
        };
        try {
          return (await ask(await upstream(), method, given, askerOf(server, ctx, self))) as never;
        } catch (thrown) {
          throw asProtocolError(thrown);
        }
      });
    }
    return server;
  }

  const ended = Promise.withResolvers<void>();
  const handle = serveStdio(create, { transport: new StdioServerTransport(stdin, stdout) });
  stdin.once('end', ended.resolve);
  stdin.once('close', ended.resolve);
  stdout.once('error', () => ended.resolve());
  await ended.promise;
  await handle.close();
}

function askerOf(server: Server, ctx: ServerContext, self: Implementation): Asker {
  const envelope = (ctx.mcpReq.envelope ?? {}) as Record<string, unknown>;
  const clientInfo = (envelope[CLIENT_INFO_META_KEY] ?? server.getClientVersion() ?? self) as Implementation;
  const capabilities = (envelope[CLIENT_CAPABILITIES_META_KEY] ??
    server.getClientCapabilities() ??
    {}) as ClientCapabilities;
  return {
    clientInfo,
    capabilities: { ...capabilities },
    signal: ctx.mcpReq.signal,
    onNotification: (notification) => ctx.mcpReq.notify(notification),
  };
}

function asProtocolError(thrown: unknown): ProtocolError {
  if (thrown instanceof UpstreamError) return new ProtocolError(thrown.code, thrown.message, thrown.data);
  const { code, message, hint } = StewardError.from(thrown);
  return new ProtocolError(ProtocolErrorCode.InternalError, [message, hint].filter(Boolean).join(' '), { code });
}
