import { describe, expect, it } from 'vitest';
import { AlertRouting, type AlertSubject, decide, type Recipient } from './alert-routing.ts';

const recipients: Recipient[] = [
  { name: 'pager', kind: 'pagerduty', minSeverity: 'critical' },
  { name: 'ops', kind: 'slack', minSeverity: 'info' },
  { name: 'mail', kind: 'email', minSeverity: 'warning' },
];
const NOON = new Date('2026-07-01T12:00:00Z');
const shop: AlertSubject = {
  service: 'shop-web',
  labels: { team: 'shop' },
  severity: 'critical',
  symptom: 'service.down',
};

const toldBy = (routing: Parameters<typeof AlertRouting.parse>[0], subject: Partial<AlertSubject> = {}, at = NOON) =>
  decide(AlertRouting.parse(routing), recipients, { ...shop, ...subject }, at).told.map(({ name }) => name);

describe('who is told', () => {
  it('is everybody who takes the severity where there are no routes', () => {
    expect(toldBy({})).toEqual(['pager', 'ops', 'mail']);
    expect(toldBy({}, { severity: 'warning' })).toEqual(['ops', 'mail']);
  });

  it('is decided by the first route that fits, and by those after it where it says so', () => {
    const first = { services: ['shop-*'], channels: ['pager'] };
    expect(toldBy({ routes: [first, { channels: ['ops'] }] })).toEqual(['pager']);
    expect(toldBy({ routes: [{ ...first, continue: true }, { channels: ['ops'] }, { channels: ['mail'] }] })).toEqual([
      'pager',
      'ops',
    ]);
    expect(toldBy({ routes: [first, { channels: ['ops'] }] }, { service: 'crm' })).toEqual(['ops']);
  });

  it('is the default where none fits, everybody where there is no default, nobody where a route names nobody', () => {
    const routes = [{ services: ['crm'], channels: ['pager'] }];
    expect(toldBy({ routes, default: ['mail'] })).toEqual(['mail']);
    expect(toldBy({ routes })).toEqual(['pager', 'ops', 'mail']);
    expect(toldBy({ routes: [{ channels: [] }], default: ['mail'] })).toEqual([]);
  });

  it.each([
    ['the service', { services: ['*-web'] }, true],
    ['another service', { services: ['web*'] }, false],
    ['one of several services', { services: ['crm', 'shop-web'] }, true],
    ['a label', { labels: { team: 's*' } }, true],
    ['two labels of which it has one', { labels: { team: 'shop', tier: '1' } }, false],
    ['a name that every object has', { labels: { constructor: '*' } }, false],
    ['its severity', { severities: ['warning', 'critical'] }, true],
    ['another severity', { severities: ['info'] }, false],
    ['what is wrong', { symptoms: ['service.*'] }, true],
    ['something else that is wrong', { symptoms: ['backup.*'] }, false],
    [
      'all of it',
      { services: ['shop-web'], labels: { team: 'shop' }, severities: ['critical'], symptoms: ['service.down'] },
      true,
    ],
    ['all of it but one', { services: ['shop-web'], labels: { team: 'shop' }, severities: ['info'] }, false],
    ['hours in which it is', { when: { from: '08:00', until: '13:00' } }, true],
    ['hours that are over', { when: { from: '08:00', until: '13:00', zone: 'Europe/Berlin' } }, false],
  ] as const)('fits %s', (_what, match, fits) => {
    const route = { ...match, channels: ['ops'] } as never;
    expect(toldBy({ routes: [route], default: [] })).toEqual(fits ? ['ops'] : []);
  });

  it('of what is about no service, no route that names services', () => {
    const routes = [{ services: ['*'], channels: ['pager'] }];
    expect(toldBy({ routes, default: ['ops'] }, { service: undefined })).toEqual(['ops']);
  });

  it('is explained, each route and each channel', () => {
    const routing = AlertRouting.parse({
      routes: [
        { name: 'data', labels: { team: 'data' }, channels: ['mail'] },
        { when: { days: ['sat', 'sun'], from: '00:00', until: '24:00' }, channels: ['pager'] },
        { services: ['shop-*'], channels: ['pager', 'ops'] },
        { name: 'never looked at', channels: [] },
      ],
    });
    expect(decide(routing, recipients, { ...shop, severity: 'warning' }, NOON)).toEqual({
      told: [recipients[1]],
      routes: [
        { route: 'data', fits: false, why: "label team is 'shop', not 'data'" },
        {
          route: 'routes[1]',
          fits: false,
          why: 'it is not 00:00 to 24:00 (UTC) on sat, sun at 2026-07-01T12:00:00.000Z',
        },
        { route: 'routes[2]', fits: true, why: 'all of it fits' },
      ],
      channels: [
        { channel: 'pager', told: false, why: 'route routes[2] names it, but it takes critical and above' },
        { channel: 'ops', told: true, why: 'route routes[2] names it' },
        { channel: 'mail', told: false, why: 'no route that fits names it' },
      ],
    });
  });
});
