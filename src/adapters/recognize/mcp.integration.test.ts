import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, type McpHttpHandler, McpServer } from '@modelcontextprotocol/server';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { httpServers } from '../../testing/world/http-server.ts';
import { createRecognizer } from './index.ts';

const refused = (): Promise<never> => Promise.reject(new Error('nothing is started to recognize a port'));
const programs: ProgramsPort = { run: refused, stream: refused };
const recognizer = createRecognizer({ programs, timeoutMs: 1_000 });

// The types of the handler want members that Node's own request has not.
const listener = (handler: McpHttpHandler): RequestListener => toNodeHandler(handler) as unknown as RequestListener;

/** Three tools; each says when it is called, which nobody may do here. */
function library(called: () => void): McpServer {
  const server = new McpServer({ name: 'library', version: '3.1.0' });
  for (const tool of ['search', 'borrow', 'return'])
    server.registerTool(tool, { description: tool, inputSchema: z.object({}) }, () => {
      called();
      return { content: [] };
    });
  return server;
}

describe('tool servers for assistants', () => {
  const servers = httpServers();
  const { serve } = servers;
  let calls = 0;
  const factory = () => library(() => void (calls += 1));
  afterEach(async () => {
    if (calls > 0) throw new Error('a tool was called');
    await servers.close();
  });
  const atMcp =
    (handle: RequestListener): RequestListener =>
    (request, response) => {
      if (request.url === '/mcp') handle(request, response);
      else response.writeHead(404).end('not here');
    };
  const look = async (port: number, hints: string[] = []) =>
    (await recognizer.look({ address: '127.0.0.1', port, hints }, new AbortController().signal)).sightings;
  const seen = {
    source: 'handshake',
    protocol: 'mcp',
    product: 'mcp-server',
    version: '3.1.0',
    fields: { name: 'library', transport: 'http', tools: '3' },
  };

  it.each([
    ['of both eras', undefined, '2025-11-25'],
    ['of the newer one alone', 'reject', '2026-07-28'],
  ] as const)('%s are found on any port, with what they offer', async (_what, legacy, protocol) => {
    const handler = createMcpHandler(factory, legacy ? { legacy } : {});
    const port = await serve(atMcp(listener(handler)));
    expect(await look(port)).toMatchObject([{ protocol: 'http' }, { ...seen, fields: { ...seen.fields, protocol } }]);
  });

  it('that keep sessions are left with none', async () => {
    const transports = new Map<string, NodeStreamableHTTPServerTransport>();
    const methods: (string | undefined)[] = [];
    const port = await serve(
      atMcp((request, response) => {
        void (async () => {
          methods.push(request.method);
          const known = transports.get(String(request.headers['mcp-session-id']));
          if (known) return await known.handleRequest(request, response);
          const transport = new NodeStreamableHTTPServerTransport({
            sessionIdGenerator: () => randomUUID(),
            onsessioninitialized: (id) => void transports.set(id, transport),
            onsessionclosed: (id) => void transports.delete(id),
          });
          await factory().connect(transport);
          await transport.handleRequest(request, response);
        })();
      }),
    );

    expect((await look(port)).at(-1)).toMatchObject(seen);
    expect(methods.at(-1)).toBe('DELETE');
    expect(transports.size).toBe(0);
  });

  it('are not looked for where a service has a name already', async () => {
    const asked: (string | undefined)[] = [];
    const handler = listener(createMcpHandler(factory));
    const port = await serve((request, response) => {
      asked.push(request.url);
      handler(request, response);
    });
    await look(port, ['nginx']);
    expect(asked).not.toContain('/mcp');
  });

  it('are not taken for one by what merely refuses a GET, nor by what answers with nonsense', async () => {
    const refusing = await serve((request, response) =>
      response.writeHead(request.method === 'GET' ? 405 : 200).end('{}'),
    );
    const endless = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: {"jsonrpc":"2.0","id":1,"result":{"protocolVersion":7}}\n\n');
    });
    for (const port of [refusing, endless])
      expect((await look(port)).map(({ protocol }) => protocol)).toEqual(['http']);
  });

  it('cannot put control characters into what is kept of their words', async () => {
    const port = await serve((request, response) =>
      request.method === 'GET'
        ? response.writeHead(405).end()
        : response.end(
            JSON.stringify({
              jsonrpc: '2.0',
              id: 1,
              result: {
                protocolVersion: '2025-11-25\r\nX-Evil: 1',
                serverInfo: { name: `\u001b[31m${'x'.repeat(500)}` },
              },
            }),
          ),
    );
    const [, sighting] = await look(port);
    expect(sighting?.fields['name']).toMatch(/^\[31mx{1,60}$/);
    expect(sighting?.fields['protocol']).toBe('2025-11-25 X-Evil: 1');
  });
});
