import { describe, expect, it } from 'vitest';
import { createVault } from '../../adapters/vault/index.ts';
import type { Alert } from '../../core/alert.ts';
import type { Incident } from '../../core/incident.ts';
import { createAcknowledgeLinks } from './acknowledge-links.ts';

const BEGIN = new Date('2026-07-01T12:00:00Z');
const incident = { id: 'inc_1', title: 'shop is down', status: 'open' } as Incident;
const alert: Alert = {
  id: 'alr_1',
  kind: 'opened',
  severity: 'critical',
  title: 'shop is down',
  text: '',
  incidentId: 'inc_1',
  node: 'one',
  at: BEGIN,
};
const ops = { name: 'ops · night', kind: 'slack' };

function linksOf({ key = 1, at = BEGIN, url = 'https://steward.example.org/', is = {} } = {}) {
  return createAcknowledgeLinks({
    vault: createVault({ key: Buffer.alloc(32, key) }),
    incidents: { get: async (id) => (id === incident.id ? { ...incident, ...is } : undefined) },
    publicUrl: () => (url === '' ? undefined : url),
    now: () => at,
  });
}
const tokenOf = (link = '') => link.split('/').at(-1) ?? '';
const token = tokenOf(linksOf().withLink(alert, ops).acknowledgeUrl);

describe('links that acknowledge', () => {
  it('lead to one incident and say by which channel they came', async () => {
    expect(linksOf().withLink(alert, ops).acknowledgeUrl).toMatch(
      /^https:\/\/steward\.example\.org\/api\/v1\/acknowledge\/inc_1\.[\w.-]+$/,
    );
    expect(await linksOf().read(token)).toEqual({
      id: 'inc_1',
      title: 'shop is down',
      channel: 'ops · night',
      state: 'open',
      acknowledgedBy: undefined,
    });
    expect(await linksOf({ is: { acknowledgedBy: 'Ada' } }).read(token)).toMatchObject({ state: 'acknowledged' });
    expect(await linksOf({ is: { status: 'resolved' } }).read(token)).toMatchObject({ state: 'resolved' });
  });

  it.each([
    ['of another incident', token.replace('inc_1', 'inc_2')],
    ['that was given more time', token.replace(/\.[0-9a-z]+\./, '.zzzzzzz.')],
    [
      'that says another channel',
      token.replace(/\.[\w-]+\.([\w-]{43})$/, `.${Buffer.from('mail').toString('base64url')}.$1`),
    ],
    ['whose signature is another one', `${token.slice(0, -43)}${'A'.repeat(43)}`],
    ['without a signature', token.slice(0, -44)],
    ['that is empty', ''],
  ])('refuse one %s', async (_what, forged) => {
    expect(forged).not.toBe(token);
    expect(await linksOf().read(forged)).toBeUndefined();
  });

  it('end after a day, and with another key', async () => {
    expect(await linksOf({ at: new Date(BEGIN.getTime() + 86_399_000) }).read(token)).toBeDefined();
    expect(await linksOf({ at: new Date(BEGIN.getTime() + 86_400_000) }).read(token)).toBeUndefined();
    expect(await linksOf({ key: 2 }).read(token)).toBeUndefined();
  });

  it('are signed for this purpose alone', async () => {
    const text = token.slice(0, -44);
    const other = createVault({ key: Buffer.alloc(32, 1) }).sign(text, 'something else');
    expect(await linksOf().read(`${text}.${other}`)).toBeUndefined();
  });

  it.each([
    ['the address of this server is not configured', { url: '' }, alert, ops],
    ['nobody is asked for', {}, { ...alert, kind: 'resolved' }, ops],
    ['it is about no incident', {}, { ...alert, incidentId: undefined }, ops],
    ['others may read it', {}, alert, { name: 'work', kind: 'issue' }],
  ] as const)('are in no message where %s', (_why, deps, about, channel) => {
    const links = linksOf(deps);
    expect(links.withLink(about as Alert, channel)).not.toHaveProperty('acknowledgeUrl');
  });
});
