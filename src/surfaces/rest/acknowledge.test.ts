import fastify from 'fastify';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { LinkedIncident } from '../../core/acknowledgement.ts';
import type { AuditEntry } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import { defineCommand } from '../../core/operation.ts';
import { mountAcknowledge } from './acknowledge.ts';

const open: LinkedIncident = { id: 'inc_1', title: '<b>shop</b> is down', channel: 'ops', state: 'open' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

function server(incident: LinkedIncident | undefined, behave = (): void => undefined) {
  const entries: Omit<AuditEntry, 'at'>[] = [];
  const acknowledged: string[] = [];
  const app = fastify();
  mountAcknowledge(app, {
    links: { read: async (token) => (token === 'good' ? incident : undefined) },
    acknowledge: defineCommand({
      name: 'acknowledge-incident',
      title: 'Acknowledge',
      summary: 'Acknowledge.',
      permission: 'operate',
      noAgents: true,
      input: z.object({ id: z.string() }),
      output: z.object({}),
      async handle({ id }, { actor }) {
        behave();
        acknowledged.push(`${id} by ${actor.name}`);
        return {};
      },
    }),
    audit: { append: async (entry: Omit<AuditEntry, 'at'>) => void entries.push(entry) },
    now: () => new Date(),
  });
  const ask = async (method: 'GET' | 'HEAD' | 'POST', token = 'good') => {
    const payload = method === 'POST' ? { headers: FORM, payload: '' } : {};
    return await app.inject({ method, url: `/api/v1/acknowledge/${token}`, ...payload });
  };
  return { ask, entries, acknowledged, app };
}

describe('the page behind a link in a message', () => {
  it('changes nothing when it is looked at, as programs that read mail do', async () => {
    const { ask, acknowledged, entries } = server(open);
    expect((await ask('HEAD')).statusCode).toBe(200);
    const page = await ask('GET');
    expect(page.body).toContain('&lt;b&gt;shop&lt;/b&gt; is down');
    expect(page.body).toContain('<form method="post">');
    expect(page.body).not.toMatch(/<b>|<script|style=/);
    expect([acknowledged, entries]).toEqual([[], []]);
  });

  it('acknowledges by the button, and the record says by which link', async () => {
    const { ask, acknowledged, entries } = server(open);
    const page = await ask('POST');
    expect([page.statusCode, page.body]).toEqual([200, expect.stringContaining('Thank you')]);
    expect(acknowledged).toEqual(['inc_1 by somebody by the link in ops']);
    expect(entries.at(-1)).toMatchObject({
      action: 'command.acknowledge-incident',
      actor: { id: 'link:ops', name: 'somebody by the link in ops' },
      subject: { kind: 'incident', id: 'inc_1' },
      outcome: 'succeeded',
    });
  });

  it.each([
    ['acknowledged', 'Ada takes care of it already'],
    ['resolved', 'It is over'],
  ] as const)('does nothing where it is %s', async (state, says) => {
    const { ask, acknowledged } = server({ ...open, state, acknowledgedBy: 'Ada' });
    for (const method of ['GET', 'POST'] as const) expect((await ask(method)).body).toContain(says);
    expect(acknowledged).toEqual([]);
  });

  it('says that it is over where that happened meanwhile', async () => {
    const { ask } = server(open, () => {
      throw new StewardError('PRECONDITION_FAILED', 'resolved already');
    });
    expect((await ask('POST')).body).toContain('It is over');
  });

  it('tells whoever has no link nothing', async () => {
    const { ask, acknowledged } = server(open);
    for (const method of ['GET', 'POST'] as const) {
      const page = await ask(method, 'bad');
      expect(page.statusCode).toBe(404);
      expect(page.body).not.toContain('shop');
    }
    expect(acknowledged).toEqual([]);
  });

  it('takes no more of a form than it needs', async () => {
    const { app } = server(open);
    const answer = await app.inject({
      method: 'POST',
      url: '/api/v1/acknowledge/good',
      headers: FORM,
      payload: 'x'.repeat(2_000),
    });
    expect(answer.statusCode).toBe(413);
  });
});
