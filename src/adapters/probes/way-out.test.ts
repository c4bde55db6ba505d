import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CheckTarget } from '../../core/check.ts';
import { createProber } from './index.ts';
import { createWayOut, whereIs } from './way-out.ts';

const prober = createProber({ secrets: () => Promise.reject(new Error('there are none')) });
const OUTSIDE = CheckTarget.parse({ kind: 'http', url: 'http://1.2.3.4/' });
const INSIDE = CheckTarget.parse({ kind: 'tcp', host: '10.1.2.3', port: 5432 });
const HERE = CheckTarget.parse({ kind: 'tcp', host: '127.0.0.1', port: 5432 });

let server: Server;
let answering: string;
let dead: string;
beforeEach(async () => {
  const listening = async (): Promise<Server> => {
    const one = createServer((socket) => socket.end());
    await new Promise<void>((done) => one.listen(0, '127.0.0.1', done));
    return one;
  };
  const gone = await listening();
  dead = `127.0.0.1:${(gone.address() as AddressInfo).port}`;
  await new Promise((done) => gone.close(done));
  server = await listening();
  answering = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => server.close());

describe('the way out of a machine', () => {
  it.each([
    ['one of its reference points answers', () => [dead, answering], ['open', 'open', 'open']],
    // What is in a network of its own is reached without an uplink.
    ['none of them does', () => [dead], ['broken', undefined, 'open']],
    ['what is named is nobody that may be asked', () => ['169.254.169.254:80'], ['broken', undefined, 'open']],
    ['none is named', () => [], [undefined, undefined, 'open']],
  ] as const)('is known to a target outside, inside and on this machine, where %s', async (_what, references, ways) => {
    const wayTo = createWayOut({ prober, references });
    expect([await wayTo(OUTSIDE), await wayTo(INSIDE), await wayTo(HERE)]).toEqual(ways);
  });

  it('is asked for once in a moment, and anew in the next', async () => {
    let now = 0;
    let named = [answering];
    const wayTo = createWayOut({ prober, references: () => named, monotonic: () => now });
    expect(await wayTo(OUTSIDE)).toBe('open');
    named = [dead];
    expect(await wayTo(OUTSIDE)).toBe('open');
    now = 2_001;
    expect(await wayTo(OUTSIDE)).toBe('broken');
  });
});

it.each([
  ['1.2.3.4', 'outside'],
  ['::ffff:1.2.3.4', 'outside'],
  ['2606:4700::1111', 'outside'],
  ['192.168.1.5', 'inside'],
  ['fd12::1', 'inside'],
  ['169.254.1.1', 'inside'],
  ['127.0.0.1', 'here'],
  ['::ffff:127.0.0.1', 'here'],
  ['::1', 'here'],
])('%s is %s', (address, where) => expect(whereIs(address)).toBe(where));
