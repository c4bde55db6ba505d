import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemdContainerMissing } from '../src/testing/world/systemd-container.ts';
import type { SeenIncident } from './kit/api.ts';
import { type Outcome, strike, told } from './kit/heals.ts';
import { COUNT_STARTS, type Machine, startMachine } from './kit/machine.ts';
import { eventually, sleep } from './kit/steward.ts';

const missing = systemdContainerMissing();
const NODE = '/opt/steward/node_modules/node/bin/node';
/** Three failures, a second apart, and what a machine needs for it that has other work. */
const DOWN_WITHIN_S = 10;

/** Restarted by nobody but Steward. */
const unit = (execStart: string, more = ''): string =>
  `[Service]\n${COUNT_STARTS}\nExecStart=${execStart}\nRestart=no\n${more}[Install]\nWantedBy=multi-user.target\n`;
const WEB = { ledger: 8101, orders: 8102 };

describe.skipIf(missing)(`a machine with systemd${missing ? ` (${missing})` : ''}`, () => {
  let machine: Machine;
  const figures: Record<string, object> = {};

  beforeAll(async () => {
    machine = await startMachine({
      packages: ['redis-server', 'nginx-light', 'postgresql-15', 'iproute2'],
      config: `monitoring: { every: 1s, timeout: 1s, flap: { high: 60, low: 30 } }\nhealing: { loop: 1s, soak: 5s, backoff: 1s }`,
      async prepare({ sh, write }) {
        for (const program of ['shop.mjs', 'web.mjs'])
          await write(`/srv/${program}`, readFileSync(join(import.meta.dirname, 'fixtures/machine', program), 'utf8'));
        for (const name of ['nginx', 'postgresql@15-main'])
          await write(`/etc/systemd/system/${name}.service.d/count.conf`, `[Service]\n${COUNT_STARTS}\n`);
        // Debian's own unit asks for a sandbox that a container cannot give, and brings redis back by itself.
        await write(
          '/etc/systemd/system/redis-server.service',
          // Up at once it would be healed before whoever needs it has failed often enough.
          unit(`/usr/bin/redis-server --bind 127.0.0.1 --save ''`, 'ExecStartPre=/bin/sleep 3\n'),
        );
        await write(
          '/etc/systemd/system/shop.service',
          unit(`${NODE} /srv/shop.mjs 8100 /opt/steward/package.json postgresql://shop:shop@127.0.0.1/postgres`),
        );
        for (const [name, port] of Object.entries(WEB))
          await write(`/etc/systemd/system/${name}.service`, unit(`${NODE} /srv/web.mjs ${port}`));
        await write('/etc/systemd/system/worker.service', unit('/bin/sleep infinity'));
        await write(
          '/etc/systemd/system/phoenix.service',
          unit(`${NODE} /srv/web.mjs 8110`).replace('Restart=no', 'Restart=always'),
        );
        await write('/etc/systemd/system/doomed.service', unit(`/bin/sh -c 'echo "no luck today"; sleep 2; exit 3'`));
        await write('/etc/systemd/system/once.service', unit('/bin/true', 'Type=oneshot\nRemainAfterExit=yes\n'));
        await sh(`systemctl daemon-reload
          systemctl restart nginx postgresql@15-main redis-server
          until runuser -u postgres -- psql -qc "create role shop login password 'shop'"; do sleep 0.2; done
          systemctl start shop ledger orders worker phoenix once`);
      },
    });
  }, 300_000);

  afterAll(async () => {
    console.table(figures);
    await machine?.stop();
  }, 60_000);

  const kill = (name: string) => () => machine.systemd.exec('systemctl', 'kill', '-s', 'KILL', name);
  const note = (name: string, { secondsToDown, secondsToEnd, incident }: Outcome): void => {
    figures[name] = { secondsToDown, secondsToEnd, incident: incident.status };
  };
  const alertsOf = (incident: SeenIncident) =>
    machine.sink.alerts.filter(({ incidentId }) => incidentId === incident.id);

  it('finds its services and what they need', { timeout: 200_000 }, async () => {
    const found = await eventually(
      'every service is up',
      async () => {
        const services = await machine.api.services();
        return services.filter(({ state }) => state === 'up').length >= 8 ? services : undefined;
      },
      90_000,
    );
    expect(
      Object.fromEntries(found.map(({ name, supervisorName, state }) => [name, `${supervisorName} ${state}`])),
    ).toEqual({
      nginx: 'nginx.service up',
      'postgresql@15-main': 'postgresql@15-main.service up',
      'redis-server': 'redis-server.service up',
      shop: 'shop.service up',
      ledger: 'ledger.service up',
      orders: 'orders.service up',
      worker: 'worker.service up',
      phoenix: 'phoenix.service up',
    });
    const named = new Map(found.map(({ id, name }) => [id, name]));
    // Connections are looked at every 20 seconds, and after what a scan finds new.
    const edges = await eventually(
      'the shop is seen to use both',
      async () => {
        const topology = await machine.api.get<{ edges: { from: string; to: string }[] }>('topology');
        return topology.edges.length >= 2 ? topology.edges : undefined;
      },
      90_000,
    );
    expect(edges.map(({ from, to }) => `${named.get(from)} -> ${named.get(to)}`).toSorted()).toEqual([
      'shop -> postgresql@15-main',
      'shop -> redis-server',
    ]);
  });

  it.each(['nginx', 'ledger', 'worker'])(
    'brings %s back after kill -9, proves it and keeps what it saw',
    { timeout: 60_000 },
    async (name) => {
      const outcome = await strike(machine, name, kill(`${name}.service`));
      note(`${name} killed`, outcome);
      const { incident, opened } = outcome;

      expect(outcome.secondsToDown).toBeLessThan(DOWN_WITHIN_S);
      expect(opened.map(({ data }) => data['incidentId'])).toEqual([incident.id]);
      expect(incident).toMatchObject({
        status: 'resolved',
        occurrences: 1,
        resolution: expect.stringContaining('stayed well for 5 s'),
      });
      expect(await machine.starts(`${name}.service`)).toBe(2);

      const attempts = (await machine.api.attempts()).filter(({ incidentId }) => incidentId === incident.id);
      expect(attempts).toMatchObject([{ number: 1, status: 'succeeded' }]);
      const run = await machine.api.run(attempts[0]?.runId ?? '');
      expect(run).toMatchObject({
        automation: 'restart-service',
        trigger: 'healing',
        status: 'succeeded',
        output: { restarted: true },
      });
      expect(run.checks.length).toBeGreaterThanOrEqual(2);
      expect(run.checks.every(({ ok, evidence }) => ok && evidence !== undefined)).toBe(true);
      expectEvidence(incident);
    },
  );

  function expectEvidence({ evidence }: SeenIncident): void {
    expect(evidence).toMatchObject({
      symptom: {
        state: 'down',
        checks: expect.arrayContaining([expect.objectContaining({ state: 'down', message: expect.any(String) })]),
      },
      collected: {
        supervisor: { activeState: 'failed', result: 'signal', exitCode: 9 },
        host: { cpuPercent: expect.any(Number), memoryAvailableBytes: expect.any(Number), disks: expect.any(Array) },
        logs: {
          source: expect.stringContaining('journal'),
          lines: expect.arrayContaining([expect.stringContaining('KILL')]),
        },
      },
      changed: expect.any(Array),
    });
  }

  it.each(['redis-server', 'postgresql@15-main'])(
    'blames %s for the shop that needs it, and tells of one problem only',
    { timeout: 150_000 },
    async (name) => {
      const { supervisorName = '' } = await machine.api.service(name);
      const shop = await machine.api.service('shop');
      const from = machine.log.events.length;
      const shopStarts = await machine.starts('shop.service');

      const outcome = await strike(machine, name, kill(supervisorName));
      note(`${name} killed`, outcome);
      const child = await machine.log.until(
        'the incident of the shop is over',
        told('incident.resolved', shop.id),
        60_000,
        from,
      );
      const parent = await machine.api.incident(outcome.incident.id);

      expect(parent).toMatchObject({ status: 'resolved', children: [{ resourceId: shop.id, status: 'resolved' }] });
      const alone = machine.log.events
        .slice(from)
        .filter(({ type, data }) => type === 'incident.opened' && data['suppressed'] !== true);
      expect(alone.map(({ data }) => data['incidentId'])).toEqual([parent.id]);
      await eventually('people hear of the end', async () => alertsOf(parent).find(({ kind }) => kind === 'resolved'));
      expect(machine.sink.alerts.filter(({ incidentId }) => incidentId === child.data['incidentId'])).toEqual([]);
      // It was not its fault, so nothing was done to it.
      expect(await machine.starts('shop.service')).toBe(shopStarts);
      expect((await machine.api.service('shop')).state).toBe('up');
    },
  );

  it('leaves to systemd what systemd brings back itself', { timeout: 30_000 }, async () => {
    const from = machine.log.events.length;
    await kill('phoenix.service')();
    await sleep(6_000);
    const phoenix = await machine.api.service('phoenix');
    expect(
      machine.log.events
        .slice(from)
        .filter(({ type }) => type.startsWith('incident.'))
        .filter((event) => JSON.stringify(event).includes(phoenix.id)),
    ).toEqual([]);
    expect(phoenix.state).toBe('up');
    expect(await machine.starts('phoenix.service')).toBe(2);
  });

  it('notices that a process was stopped by a signal, and lets it go on', { timeout: 60_000 }, async () => {
    const before = await machine.mainPid('orders.service');
    const outcome = await strike(machine, 'orders', () => machine.systemd.exec('kill', '-STOP', String(before)));
    note('orders frozen', outcome);

    expect(outcome.incident.status).toBe('resolved');
    expect(await machine.mainPid('orders.service')).toBe(before);
    expect(await machine.starts('orders.service')).toBe(1);
  });

  it('restarts what answers 500', { timeout: 60_000 }, async () => {
    const starts = await machine.starts('ledger.service');
    const outcome = await strike(machine, 'ledger', () =>
      machine.sh(`${NODE} -e "fetch('http://127.0.0.1:${WEB.ledger}/', { method: 'POST' })"`),
    );
    note('ledger answers 500', outcome);

    expect(outcome.incident).toMatchObject({ status: 'resolved', title: expect.stringContaining('500') });
    expect(await machine.starts('ledger.service')).toBe(starts + 1);
  });

  it('takes a stop for a stop', { timeout: 60_000 }, async () => {
    const stopped = [await machine.api.service('nginx'), await machine.api.service('worker')] as const;
    const from = machine.log.events.length;
    const starts = [await machine.starts('nginx.service'), await machine.starts('worker.service')];
    await machine.systemd.exec('systemctl', 'stop', 'nginx', 'worker');
    await machine.log.until('the stop is noticed', told('service.stopped', stopped[1].id), 10_000, from);
    await sleep(5_000);

    const states = async () => [
      (await machine.api.service('nginx')).state,
      (await machine.api.service('worker')).state,
    ];
    expect(await states()).toEqual(['stopped', 'stopped']);
    expect(
      machine.log.events
        .slice(from)
        .filter(({ type }) => /^(incident|run|healing)\.|^service\.down/.test(type))
        // Others' news, the delivery of an earlier alert for one, may fall into these seconds.
        .filter((event) => stopped.some((service) => JSON.stringify(event).includes(service.id))),
    ).toEqual([]);
    expect([await machine.starts('nginx.service'), await machine.starts('worker.service')]).toEqual(starts);

    await machine.systemd.exec('systemctl', 'start', 'nginx', 'worker');
    await eventually(
      'both are up',
      async () => ((await states()).every((state) => state === 'up') ? true : undefined),
      10_000,
    );
  });

  it(
    'tries twice what keeps dying and not a third time, leaves it alone, and calls a person once',
    { timeout: 120_000 },
    async () => {
      await machine.systemd.exec('systemctl', 'start', 'doomed');
      await machine.api.scan();
      const outcome = await strike(machine, 'doomed', async () => undefined, {
        endsWith: 'incident.escalated',
        withinMs: 90_000,
      });
      note('doomed dies', outcome);
      const { incident } = outcome;
      await sleep(6_000);

      expect(await machine.starts('doomed.service')).toBe(3);
      const attempts = (await machine.api.attempts()).filter(({ incidentId }) => incidentId === incident.id);
      expect(attempts.map(({ number, status }) => `${number} ${status}`).toSorted()).toEqual(['1 failed', '2 failed']);
      expect(alertsOf(incident).filter(({ kind }) => kind === 'escalated')).toMatchObject([
        { service: 'doomed', text: expect.stringContaining('no luck today') },
      ]);
      expect(machine.log.events.filter(told('incident.escalated', incident.resourceId ?? ''))).toHaveLength(1);
      const escalated = incident.timeline.find(({ kind }) => kind === 'escalated');
      expect(escalated?.data).toMatchObject({
        attempts: [{ number: 1 }, { number: 2 }],
        evidence: { supervisor: { exitCode: 3 } },
        advice: expect.any(String),
      });
    },
  );

  it('took nothing else for a service, and opened no incident twice', async () => {
    expect((await machine.api.services()).map(({ name }) => name)).not.toContain('once');
    const opened = machine.log.events.filter(
      ({ type, data }) => type === 'incident.opened' && data['reopened'] !== true,
    );
    expect(new Set(opened.map(({ data }) => data['incidentId'])).size).toBe(opened.length);
  });
});
