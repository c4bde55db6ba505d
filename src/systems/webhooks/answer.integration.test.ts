import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { type Body, type Budget, readBody, send } from './answer.ts';
import { type Awaited, createReceiver } from './receiver.ts';

const BUDGET = 100_000;
const MOST = 80_000;

describe('what is in hand', () => {
  const budget: Budget = { left: BUDGET };
  const receiver = createReceiver({
    journal: { append: (_record, done) => done(undefined) },
    types: () => undefined,
    now: () => new Date(),
    log: memoryLog(),
  });
  let read: (number | Exclude<Body, Buffer>)[];
  let server: Server;

  beforeEach(async () => {
    read = [];
    server = createServer((asked, response) => {
      readBody(asked, response, { most: MOST, budget }, (body) => {
        read.push(typeof body === 'string' ? body : body.length);
        if (body === 'busy') receiver.take({} as never, body, {} as Awaited, (answer) => send(response, answer));
        else response.end();
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  /** A sender that is not done yet. */
  function begin(bytes: number) {
    const { port } = server.address() as AddressInfo;
    const sent = request({ port, host: '127.0.0.1', method: 'POST' }).on('error', () => undefined);
    sent.write(Buffer.alloc(bytes));
    return sent;
  }
  const until = async (check: () => boolean): Promise<void> => {
    await vi.waitFor(() => expect(check()).toBe(true), { timeout: 10_000, interval: 10 });
  };
  const isFree = (): boolean => budget.left === BUDGET;

  it('is bounded for all together: who comes then is told to come again, and others get room when one leaves', async () => {
    const slow = begin(70_000);
    await until(() => budget.left < 30_000);
    const refused = begin(60_000);
    const [response] = (await once(refused, 'response')) as [{ statusCode: number; headers: Record<string, string> }];
    expect(response).toMatchObject({ statusCode: 503, headers: { 'retry-after': '5' } });
    slow.destroy();
    await until(isFree);
    expect(receiver.counts.refused).toEqual({ busy: 1 });
    const next = begin(60_000);
    next.end();
    await once(next, 'response');
    await until(isFree);
    expect(read).toEqual(['busy', 60_000]);
  });

  it('counts what a body that comes byte by byte takes beside its bytes', async () => {
    const { port } = server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    socket.write(`POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${'1\r\nx\r\n'.repeat(1_000)}`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toContain('503');
    socket.destroy();
    await until(isFree);
  });

  it('is free again when what was too long is refused', async () => {
    const long = begin(MOST + 1);
    await once(long, 'response');
    await until(isFree);
    expect(read).toEqual(['too-large']);
  });
});
