import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProber } from '../src/adapters/probes/index.ts';
import { judgePing } from '../src/adapters/probes/icmp-probe.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { CheckTarget, type ProbeResult } from '../src/core/check.ts';
import { hasProgram } from '../src/testing/world/start-program.ts';
import { createNetworkNamespace, type NetworkNamespace, noNetworkNamespace } from './kit/network-namespace.ts';

const prober = createProber({
  secrets: async () => '',
  programs: createPrograms({ environment: { PATH: process.env['PATH'] ?? '' } }),
});
const options = { timeoutMs: 1_000, slowMs: 30_000, signal: new AbortController().signal };
const ping = (more: object): Promise<ProbeResult> =>
  prober.probe(CheckTarget.parse({ kind: 'icmp', count: 2, ...more }), options);

const missing = noNetworkNamespace || (hasProgram('ping') ? false : 'needs iputils-ping');
describe.skipIf(missing)(`icmp${missing ? ` (${missing})` : ''}`, () => {
  let network: NetworkNamespace;
  beforeAll(() => {
    network = createNetworkNamespace();
  });
  afterAll(() => network.remove());

  it('answers over a cable, is down while it is cut, and recovers', async () => {
    const host = network.host.replace(/\.1$/, '.2');
    expect(await ping({ host })).toMatchObject({
      state: 'up',
      depth: 'query',
      detail: { sent: 2, received: 2, lossPercent: 0 },
    });
    network.cut();
    expect(await ping({ host })).toMatchObject({ state: 'down', detail: { received: 0, code: 'TIMEOUT' } });
    network.mend();
    expect(await ping({ host })).toMatchObject({ state: 'up' });
  });

  it('asks over both versions of IP, and says of a name that there is none', async () => {
    expect(await ping({ host: '127.0.0.1', family: '4' })).toMatchObject({ state: 'up' });
    expect(await ping({ host: '::1', family: '6' })).toMatchObject({ state: 'up' });
    expect((await ping({ host: 'no-such-name.invalid' })).state).not.toBe('up');
  });

  it('runs no more than its places at once, and lets 60 silent peers delay no answering one that is known', async () => {
    network.cut();
    const host = network.host.replace(/\.1$/, '.2');
    await ping({ host: '127.0.0.1' });
    await ping({ host });
    const hung = Array.from({ length: 60 }, () => ping({ host }));
    const began = performance.now();
    await ping({ host: '127.0.0.1' });
    const took = performance.now() - began;
    expect(spawnedPings()).toBeLessThanOrEqual(24);
    // The silent ones take eight turns of a second each; whoever answers does not wait for one of them.
    await Promise.all(hung);
    expect(took).toBeLessThan(performance.now() - began);
    network.mend();
  }, 60_000);
});

/** Children of this process that are called ping. */
function spawnedPings(): number {
  const { stdout } = spawnSync('ps', ['--ppid', String(process.pid), '-o', 'comm='], { encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line.trim() === 'ping').length;
}

describe('what ping printed', () => {
  const target = CheckTarget.parse({ kind: 'icmp', host: 'a', count: 10 }) as Parameters<typeof judgePing>[1];
  const judge = (stdout: string, stderr = ''): ProbeResult =>
    judgePing({ stdout, stderr }, target, options, performance.now());

  it('is judged by its loss and its time (recorded from iputils and busybox)', () => {
    const iputils = (received: number, loss: string): string =>
      `PING a (192.0.2.1) 56(84) bytes of data.\n\n--- a ping statistics ---\n10 packets transmitted, ${received} received, ${loss}% packet loss, time 1802ms\n${received ? 'rtt min/avg/max/mdev = 10.1/20.5/31.9/4.2 ms\n' : ''}`;
    expect(judge(iputils(10, '0'))).toMatchObject({ state: 'up', latencyMs: 20.5 });
    expect(judge(iputils(7, '30'))).toMatchObject({ state: 'up', detail: { lossPercent: 30 } });
    expect(judge(iputils(6, '40'))).toMatchObject({ state: 'degraded', message: expect.stringContaining('40 % lost') });
    expect(judge(iputils(0, '100'))).toMatchObject({ state: 'down' });
    expect(
      judge(
        '--- a ping statistics ---\n10 packets transmitted, 10 packets received, 0% packet loss\nround-trip min/avg/max = 1.0/2.0/3.0 ms\n',
      ),
    ).toMatchObject({ state: 'up', latencyMs: 2 });
    expect(judge('', 'ping: socket: Operation not permitted')).toMatchObject({ state: 'unknown' });
    expect(judge('', 'ping: a: Name or service not known')).toMatchObject({ state: 'down' });
    expect(judge('', 'ping: connect: Network is unreachable')).toMatchObject({ state: 'unknown' });
  });

  it('says what to install where the program is missing', async () => {
    const bare = createProber({
      secrets: async () => '',
      programs: createPrograms({ environment: { PATH: '/nonexistent' } }),
    });
    expect(await bare.probe(target, options)).toMatchObject({
      state: 'unknown',
      message: expect.stringContaining('iputils-ping'),
    });
  });
});
