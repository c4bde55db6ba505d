import { describe, expect, it } from 'vitest';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { type FakePorts, fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import monitorService from './index.ts';

const web = { kind: 'tcp' as const, host: '127.0.0.1', port: 80 };
const db = { kind: 'tcp' as const, host: '127.0.0.1', port: 5000 };
const endpoint = (port: number) => [{ protocol: 'tcp' as const, address: '127.0.0.1', port }];

function machine(): FakePorts {
  const ports = fakePorts();
  ports.inventory.put(
    aResource({
      id: 'svc_web',
      name: 'web',
      node: 'memory',
      endpoints: endpoint(80),
      supervisor: { kind: 'systemd', unit: 'web.service', scope: 'system' },
    }),
  );
  ports.inventory.put(aResource({ id: 'svc_db', name: 'db', node: 'memory', endpoints: endpoint(5000) }));
  ports.inventory.put(aResource({ id: 'svc_far', name: 'far', node: 'elsewhere', endpoints: endpoint(81) }));
  ports.inventory.put(
    aResource({ id: 'svc_ignored', name: 'ignored', node: 'memory', endpoints: endpoint(82), adoption: 'ignored' }),
  );
  ports.inventory.link('svc_web', 'svc_db');
  ports.systemd.add('web.service');
  return ports;
}
const look = (
  ports: FakePorts,
  input: Parameters<
    typeof performInMemory<typeof monitorService.input, typeof monitorService.output, never>
  >[1]['input'],
) => performInMemory(monitorService, { ports, input });
const findings = (run: Awaited<ReturnType<typeof look>>) => run.output?.services[0]?.diagnosis?.findings ?? [];

describe('monitor-service', () => {
  it('looks at all services of the node, twice, and finds them well', async () => {
    const ports = machine();
    const run = await look(ports, { service: 'all' });
    expect(run).toMatchObject({
      status: 'succeeded',
      output: {
        healthy: true,
        services: [
          { name: 'web', state: 'up' },
          { name: 'db', state: 'up' },
        ],
      },
    });
    expect(run.checks.every(({ ok }) => ok)).toBe(true);
    expect(ports.prober.probes).toHaveLength(6);
  });

  it('says that what a service needs is down', async () => {
    const ports = machine();
    for (const target of [web, db]) ports.prober.answer(target, { state: 'down', message: 'connection refused' });
    expect(findings(await look(ports, { service: 'web' }))[0]).toBe('It needs db, which is down.');
  });

  it('reads the supervisor, the machine and the log', async () => {
    const ports = machine();
    ports.prober.answer(web, { state: 'down' });
    ports.systemd.crash('web.service', { result: 'oom-kill', status: 137 });
    ports.systemd.say('web.service', 'out of memory');
    ports.host.change({ disks: [{ mount: '/', device: '/dev/vda1', totalBytes: 100e9, freeBytes: 1e6 }] });
    const run = await look(ports, { service: 'web' });
    expect(findings(run).join(' ')).toMatch(
      /web\.service failed: oom-kill, exit code 137\. The kernel ended it .* The disk at \/ is full/,
    );
    expect(run.output?.services[0]?.diagnosis?.logs).toEqual(['out of memory']);
  });

  it('sees a frozen process behind an open port', async () => {
    const ports = machine();
    const process = ports.processes.start(['web']);
    ports.systemd.change('web.service', { mainPid: process.pid });
    ports.processes.freeze(process.pid);
    ports.prober.answer(web, { state: 'down', message: 'no answer' });
    expect(findings(await look(ports, { service: 'web' }))[0]).toBe(
      `Its process ${process.pid} is frozen by a stop signal.`,
    );
  });

  it('goes on where something cannot be asked', async () => {
    const ports = machine();
    ports.prober.answer(web, { state: 'down' });
    ports.systemd.setAvailable(false);
    expect(findings(await look(ports, { service: 'web' }))[0]).toContain('systemd does not answer');
  });

  it('takes the names of the mission, and leaves the restart to healing', async () => {
    const ports = machine();
    ports.prober.answer(web, { state: 'down' });
    const run = await look(ports, {
      service: 'web',
      auto_restart: true,
      auto_diagnose: false,
      auto_fix: true,
      escalate_after: 3,
    });
    expect(run.output).toMatchObject({
      healthy: false,
      services: [{ state: 'down', restart: 'Healing may restart web.service.' }],
      note: expect.stringContaining('Healing works on what is down'),
    });
    expect(run.output?.services[0]?.diagnosis).toBeUndefined();
    expect(ports.systemd.restarts).toEqual([]);
  });

  it('does not vouch for a service that flaps', async () => {
    const ports = machine();
    let looks = 0;
    ports.prober.answer(db, () => ({ state: looks++ === 0 ? 'up' : 'down' }));
    expect(await look(ports, { service: 'db' })).toMatchObject({
      status: 'failed',
      error: { code: 'VERIFICATION_FAILED', message: expect.stringContaining('db is up') },
    });
  });

  it('calls what was stopped on purpose stopped, which is not ill', async () => {
    const ports = machine();
    ports.prober.answer({ kind: 'systemd', unit: 'web.service', scope: 'system' }, { state: 'stopped' });
    ports.prober.answer(web, { state: 'down' });
    expect(await look(ports, { service: 'web' })).toMatchObject({
      status: 'succeeded',
      output: { healthy: true, services: [{ state: 'stopped' }] },
    });
  });

  it('names a service that it does not know', async () => {
    expect(await look(machine(), { service: 'nobody' })).toMatchObject({
      status: 'failed',
      error: { code: 'NOT_FOUND' },
    });
  });
});
