import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Role } from '../../core/actor.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { parseInput } from '../../surfaces/input.ts';
import { type AlertingKit, alertingKit, fakeChannel } from '../../testing/alerting.ts';
import type { Alerting } from './index.ts';

const until = (check: () => unknown) => vi.waitFor(check, { timeout: 15_000, interval: 20 });

describe('what others notice', () => {
  let kit: AlertingKit;
  let ops: ReturnType<typeof fakeChannel>;
  let alerting: Alerting;
  beforeEach(async () => {
    kit = await alertingKit([{ id: 'res_shop', name: 'shop', labels: {} }]);
    ops = fakeChannel('ops');
    alerting = await kit.start([ops], {});
  });
  afterEach(() => kit.drop());

  // oxlint-disable-next-line typescript/no-explicit-any -- answers of several operations, as they are
  const perform = async (name: string, input: object, role: Role = 'operator'): Promise<any> => {
    const operation = alerting.operations.find((each) => each.name === name) as AnyOperation;
    const call: Call = {
      actor: { kind: 'token', id: 't', name: 'cron', role },
      now: kit.now(),
      from: 'local',
      requestId: 'r',
    };
    return await operation.handle(parseInput(operation.input, input), call);
  };
  const raise = (more: object = {}, role?: Role) =>
    perform('raise-alert', { type: 'Disk full!', message: '/srv is full', severity: 'HIGH', ...more }, role);

  it('is one incident for one problem, told once, and over when they say so', async () => {
    const { incident } = await raise({ service: 'shop' });
    expect(incident).toMatchObject({
      title: '/srv is full',
      symptom: 'external.disk-full',
      severity: 'critical',
      resourceId: 'res_shop',
      status: 'open',
    });
    expect((await raise({ service: 'shop' })).incident).toMatchObject({ id: incident.id, occurrences: 1 });
    expect((await raise({ service: 'shop', message: '/srv is fuller' })).incident).toMatchObject({
      id: incident.id,
      occurrences: 2,
    });
    expect((await raise({ service: 'crm' })).incident.id).not.toBe(incident.id);
    await until(() => expect(ops.titles()).toEqual(['opened: /srv is full', 'opened: /srv is full']));
    const over = await raise({ service: 'shop', status: 'resolved', message: 'room again' });
    expect(over.incident).toMatchObject({ id: incident.id, status: 'resolved', resolution: 'room again' });
    await until(() => expect(ops.titles()[2]).toBe('resolved: Resolved: /srv is full'));
    expect(await raise({ type: 'never open', status: 'resolved' })).toEqual({});
  });

  it('is told apart by a fingerprint of theirs, and told again where it becomes worse', async () => {
    const one = await raise({ fingerprint: 'a', severity: 'low' });
    const other = await raise({ fingerprint: 'b', severity: 'low' });
    expect(one.incident.id).not.toBe(other.incident.id);
    // What is told is how bad it is by then.
    await until(() => expect(ops.taken).toHaveLength(2));
    const worse = await raise({ fingerprint: 'a', severity: 'critical' });
    expect(worse.incident).toMatchObject({ id: one.incident.id, severity: 'critical' });
    await until(() => expect(ops.taken.map(({ severity }) => severity)).toEqual(['info', 'info', 'critical']));
  });

  it('is refused where nobody could understand it', async () => {
    await expect(raise({ severity: 'sev1' })).rejects.toMatchObject({
      problems: [{ path: 'severity', message: 'expected info, warning or critical' }],
    });
    await expect(raise({ message: ' ' })).rejects.toMatchObject({ problems: [{ path: 'message' }] });
  });

  it('is raised by an agent, and ended by none', async () => {
    const { incident } = await raise({}, 'agent');
    await expect(raise({ status: 'resolved' }, 'agent')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(await kit.ledger.get(incident.id)).toMatchObject({ status: 'open' });
  });

  const alert = (fingerprint: string, status: string, more: object = {}) => ({
    status,
    labels: { alertname: 'HighLatency', instance: '10.0.0.1:9100', job: 'shop', severity: 'page', ...more },
    annotations: { summary: `p99 is above 1s on ${fingerprint}` },
    startsAt: '2026-07-01T12:00:00.000Z',
    endsAt: '0001-01-01T00:00:00Z',
    generatorURL: 'http://prometheus:9090/graph?g0.expr=x',
    fingerprint,
  });
  const payload = (...alerts: object[]) => ({
    version: '4',
    groupKey: '{}:{alertname="HighLatency"}',
    truncatedAlerts: 0,
    status: 'firing',
    receiver: 'steward',
    groupLabels: { alertname: 'HighLatency' },
    commonLabels: {},
    commonAnnotations: {},
    externalURL: 'http://alertmanager:9093',
    alerts,
  });

  it('comes from Alertmanager: each alert is an incident, whatever it repeats opens nothing', async () => {
    const first = await perform(
      'take-alertmanager',
      payload(alert('aa', 'firing'), alert('bb', 'firing', { severity: 'x' })),
    );
    expect(first).toMatchObject({ firing: 2, resolved: 0 });
    expect(await kit.ledger.get(first.incidents[0])).toMatchObject({
      title: 'p99 is above 1s on aa',
      symptom: 'external.highlatency',
      severity: 'critical',
      resourceId: 'res_shop',
    });
    const again = await perform('take-alertmanager', {
      ...payload(alert('aa', 'firing'), alert('bb', 'resolved')),
      news: 1,
    });
    expect(again).toEqual({ firing: 1, resolved: 1, incidents: first.incidents });
    expect(await kit.ledger.get(first.incidents[0])).toMatchObject({ occurrences: 1, status: 'open' });
    expect(await kit.ledger.get(first.incidents[1])).toMatchObject({ status: 'resolved', severity: 'warning' });
    await until(() => expect(ops.titles()).toContain('resolved: Resolved: p99 is above 1s on bb'));
    expect(await perform('take-alertmanager', payload(alert('cc', 'resolved')))).toEqual({
      firing: 0,
      resolved: 0,
      incidents: [],
    });
  });

  describe('by a rule about what Steward itself says of a service', () => {
    const down = (fingerprint: string, status = 'firing') =>
      alert(fingerprint, status, { alertname: 'ServiceDown', service: 'shop', steward: 'service.down' });
    const noticed = () =>
      kit.ledger.open({
        fingerprint: 'service.down:res_shop',
        resourceId: 'res_shop',
        title: 'shop is down',
        symptom: 'service.down',
        severity: 'critical',
        evidence: {},
      });
    const told = async (id: string): Promise<string[]> =>
      (await kit.ledger.timeline(id)).map(({ message }) => message).filter((text) => text.startsWith('Alertmanager'));

    it('belongs to the incident that is open about it, which says so once', async () => {
      const incident = await noticed();
      for (let count = 0; count < 2; count += 1)
        expect(await perform('take-alertmanager', payload(down('aa')))).toEqual({
          firing: 1,
          resolved: 0,
          incidents: [incident.id],
        });
      expect(await told(incident.id)).toEqual(['Alertmanager says so too (ServiceDown): p99 is above 1s on aa']);
      await until(() => expect(ops.titles()).toEqual(['opened: shop is down']));
      // It ends when Steward sees so; the rule looks back for a moment longer.
      await perform('take-alertmanager', payload(down('aa', 'resolved')));
      expect(await kit.ledger.get(incident.id)).toMatchObject({ status: 'open', occurrences: 1 });
      await kit.ledger.resolve(incident.id, 'It answers again.');
      expect(await perform('take-alertmanager', payload(down('aa')))).toMatchObject({ incidents: [incident.id] });
      expect(await kit.ledger.unresolved()).toEqual([]);
    });

    it('is taken in by the incident that Steward opens later', async () => {
      const { incidents } = await perform('take-alertmanager', payload(down('aa')));
      expect(await kit.ledger.get(incidents[0])).toMatchObject({ symptom: 'external.servicedown', status: 'open' });
      const incident = await noticed();
      await until(async () => expect(await kit.ledger.unresolved()).toMatchObject([{ id: incident.id }]));
      expect(await kit.ledger.get(incidents[0])).toMatchObject({
        resolution: 'It is what Steward noticed itself: shop is down',
      });
      expect(await told(incident.id)).toHaveLength(1);
    });

    it('is an incident of its own where Steward has none, and where somebody else made the rule', async () => {
      const early = await perform('take-alertmanager', payload(down('aa')));
      await perform('take-alertmanager', payload(down('aa', 'resolved')));
      expect(await kit.ledger.get(early.incidents[0])).toMatchObject({ status: 'resolved' });
      const incident = await noticed();
      const other = await perform('take-alertmanager', payload(alert('bb', 'firing', { service: 'shop' })));
      expect(other.incidents).not.toContain(incident.id);
      expect(await kit.ledger.unresolved()).toHaveLength(2);
    });
  });
});
