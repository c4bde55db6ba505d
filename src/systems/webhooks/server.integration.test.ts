import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { createAuthority } from '../../testing/world/authority.ts';
import { type Budget, readBody } from './answer.ts';
import { createReceiverServer } from './server.ts';

const LIMITS = { headersMs: 300, requestMs: 600, keepAliveMs: 60_000, mostConnections: 100 };
const BUDGET = 100_000;

describe('a sender that is slow', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stw-slow-'));
  const budget: Budget = { left: BUDGET };
  let server: Server | undefined;

  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  async function listen(tls?: Parameters<typeof createReceiverServer>[1]): Promise<number> {
    server = createReceiverServer(
      (request, response) => readBody(request, response, { most: 1_000, budget }, () => response.end('taken')),
      tls,
      LIMITS,
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
  /** What it is told until the connection ends; it never ends that itself, and never stops sending. */
  async function told(port: number, first: string, more: string): Promise<string> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
    socket.write(first);
    const sending = setInterval(() => socket.write(more), 50);
    const all = await text(socket).catch(() => 'reset');
    clearInterval(sending);
    socket.destroy();
    return all;
  }
  const HEAD = 'POST /bank HTTP/1.1\r\nhost: a\r\n';

  it.each([
    ['with its headers', HEAD, 'x'],
    ['with its body', `${HEAD}content-length: 1000\r\n\r\n`, 'x'],
    ['with a body of pieces', `${HEAD}transfer-encoding: chunked\r\n\r\n`, '1\r\nx\r\n'],
  ])('%s is told so and let go, and nothing of it stays in hand', async (_what, first, more) => {
    expect(await told(await listen(), first, more)).toMatch(/^HTTP\/1\.1 408 /);
    await vi.waitFor(() => expect(budget.left).toBe(BUDGET));
  });

  it('is let go where it says nothing at all, and others are served meanwhile', async () => {
    const port = await listen();
    const silent = told(port, '', '');
    expect(await told(port, `${HEAD}content-length: 1\r\nconnection: close\r\n\r\nx`, '')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await silent).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  it('is let go where it agrees on no TLS', async () => {
    const { certFile, key } = createAuthority(folder).issue('hooks.example.org');
    const port = await listen({ cert: readFileSync(certFile), key: Buffer.from(key) });
    expect(await told(port, '', '')).not.toContain('200');
  });
});
