import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import { afterEach, describe, expect, it } from 'vitest';
import type { Alert, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import { StewardError } from '../../core/errors.ts';
import { createOutbound } from '../outbound/outbound.ts';
import { createPrograms } from '../programs/index.ts';
import { type ChannelSettings, createChannel } from './channels.ts';
import { createPing } from './ping.ts';

const SECRET = Buffer.from('a signing secret of 32 bytes ....').toString('base64');
const alert: Alert = {
  id: 'alr_0123456789',
  kind: 'opened',
  severity: 'critical',
  title: 'shop <!channel> is down',
  text: 'service.down since 12:00\nIt answered 500 & <nothing> else.',
  incidentId: 'inc_1',
  service: 'shop',
  node: 'one',
  at: new Date('2026-01-02T03:04:05Z'),
  url: 'http://127.0.0.1:3000/#incident=inc_1',
};

interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function receiver(
  answer: (response: ServerResponse, received: Received) => void,
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body };
      received.push(one);
      answer(response, one);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, received };
}

const deps = {
  outbound: createOutbound(),
  programs: createPrograms({ environment: process.env }),
  now: () => new Date(),
  secrets: async (reference: SecretReference) => {
    const value = { SIGNING: `whsec_${SECRET}`, MAIL: 'mail-password', WRONG: 'not base64!' }[
      'env' in reference ? reference.env : ''
    ];
    if (value === undefined) throw new StewardError('NOT_FOUND', `There is no ${JSON.stringify(reference)}.`);
    return value;
  },
};
const deliver = (settings: ChannelSettings, signal = AbortSignal.timeout(5_000), message: Message = alert) =>
  createChannel(settings, deps).channel.deliver(message, signal);
const webhook = (url: string, more: Partial<Extract<ChannelSettings, { kind: 'webhook' }>> = {}): ChannelSettings => ({
  name: 'hook',
  kind: 'webhook',
  url,
  secret: { env: 'SIGNING' },
  allowPrivate: true,
  minSeverity: 'info',
  ...more,
});

describe('webhook', () => {
  it('signs so that a receiver can tell who sent it, and that it was not changed', async () => {
    const { url, received } = await receiver((response) => response.writeHead(204).end());

    const { receipt } = await deliver(webhook(url, { headers: { 'x-team': 'ops' } }));

    const [{ headers, body } = { headers: {}, body: '' }] = received;
    expect(receipt).toBe('HTTP 204');
    expect(headers).toMatchObject({ 'webhook-id': alert.id, 'x-team': 'ops', 'content-type': 'application/json' });
    const verified = new Webhook(SECRET).verify(body, headers as Record<string, string>);
    expect(verified).toEqual({
      type: 'alert.opened',
      timestamp: '2026-01-02T03:04:05.000Z',
      data: JSON.parse(JSON.stringify(alert)),
    });
    expect(() =>
      new Webhook(SECRET).verify(body.replace('critical', 'info'), headers as Record<string, string>),
    ).toThrow('No matching signature');
  });

  it.each([
    [500, {}, { code: 'UNAVAILABLE', retryable: true }],
    [503, { 'retry-after': '7' }, { code: 'UNAVAILABLE', retryable: true, retryAfterMs: 7_000 }],
    [429, { 'retry-after': '120' }, { code: 'RATE_LIMITED', retryable: true, retryAfterMs: 120_000 }],
    [429, { 'retry-after': 'soon' }, { code: 'RATE_LIMITED', retryable: true, retryAfterMs: undefined }],
    [408, {}, { code: 'UNAVAILABLE', retryable: true }],
    [400, {}, { code: 'PRECONDITION_FAILED', retryable: false }],
    [401, {}, { code: 'PRECONDITION_FAILED', retryable: false }],
    [410, {}, { code: 'PRECONDITION_FAILED', retryable: false }],
    [
      302,
      { location: 'http://127.0.0.1/' },
      { code: 'PRECONDITION_FAILED', retryable: false, hint: 'Redirects are not followed: give the final address.' },
    ],
  ])('knows whether a later try may help after HTTP %i %j', async (status, headers, expected) => {
    const { url } = await receiver((response) => response.writeHead(status, headers).end('no, thanks'));

    await expect(deliver(webhook(url))).rejects.toMatchObject({
      ...expected,
      message: expect.stringContaining(`HTTP ${status}: no, thanks`),
    });
  });

  it('does not wait for ever', async () => {
    const { url } = await receiver(() => undefined);

    await expect(deliver(webhook(url), AbortSignal.timeout(200))).rejects.toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
    });
  });

  it('refuses a secret that cannot sign, and one that is not there', async () => {
    const { url, received } = await receiver((response) => response.end());

    await expect(deliver(webhook(url, { secret: { env: 'WRONG' } }))).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      hint: expect.stringContaining('openssl rand'),
    });
    await expect(deliver(webhook(url, { secret: { env: 'GONE' } }))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(received).toEqual([]);
  });

  it('does not call this machine unless the channel says so', async () => {
    const { url, received } = await receiver((response) => response.end());

    await expect(deliver(webhook(url, { allowPrivate: false }))).rejects.toMatchObject({
      code: 'FORBIDDEN',
      retryable: false,
    });
    expect(received).toEqual([]);
  });
});

describe('slack', () => {
  it('sends what Slack and its kin understand, and no text that could mention everyone', async () => {
    const { url, received } = await receiver((response) => response.end('ok'));

    await deliver({ name: 'chat', kind: 'slack', url, allowPrivate: true, minSeverity: 'info' });

    const message: unknown = JSON.parse(received[0]?.body ?? '');
    expect(message).toMatchObject({
      text: expect.stringMatching(
        /^shop &lt;!channel&gt; is down\nservice\.down since 12:00\n[^]*\nOpen in Steward: http/,
      ),
      blocks: [
        { type: 'header', text: { type: 'plain_text', text: 'shop &lt;!channel&gt; is down' } },
        { text: { type: 'plain_text', text: 'service.down since 12:00\nIt answered 500 &amp; &lt;nothing&gt; else.' } },
        { fields: expect.arrayContaining([expect.objectContaining({ text: 'Severity: critical' })]) },
        { text: { type: 'mrkdwn', text: `Open in Steward: ${alert.url}` } },
      ],
    });
  });
});

describe('sign of life', () => {
  it('is given with a GET, and not taken where the answer is a refusal', async () => {
    let status = 200;
    const { url, received } = await receiver((response) => response.writeHead(status).end());
    const ping = createPing(deps);

    await ping({ url, allowPrivate: true }, AbortSignal.timeout(2_000));
    status = 404;

    await expect(ping({ url, allowPrivate: true }, AbortSignal.timeout(2_000))).rejects.toThrow('HTTP 404');
    expect(received).toHaveLength(2);
  });
});

describe('email', () => {
  interface Mail {
    readonly from: string;
    readonly to: string[];
    readonly text: string;
  }

  async function mailServer(options: SMTPServerOptions = {}): Promise<{ port: number; mails: Mail[] }> {
    const mails: Mail[] = [];
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      onData(stream, session, done) {
        let text = '';
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          mails.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            text,
          });
          done();
        });
      },
      ...options,
    });
    server.on('error', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server.server, 'listening');
    closing.push(async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    });
    return { port: (server.server.address() as AddressInfo).port, mails };
  }

  const email = (port: number, more: Partial<Extract<ChannelSettings, { kind: 'email' }>> = {}): ChannelSettings => ({
    name: 'mail',
    kind: 'email',
    host: '127.0.0.1',
    port,
    secure: false,
    from: 'steward@example.org',
    to: ['ops@example.org', 'boss@example.org'],
    allowPrivate: true,
    minSeverity: 'info',
    ...more,
  });

  it('reaches every recipient, and carries the id of the alert', async () => {
    const { port, mails } = await mailServer();

    const { receipt } = await deliver(email(port));

    expect(receipt).toMatch(/^250/);
    expect(mails).toMatchObject([{ from: 'steward@example.org', to: ['ops@example.org', 'boss@example.org'] }]);
    expect(mails[0]?.text).toContain('Subject: [CRITICAL] shop <!channel> is down');
    expect(mails[0]?.text).toContain('Message-ID: <alr_0123456789@example.org>');
    expect(mails[0]?.text).toContain('References: <inc_1@example.org>');
    expect(mails[0]?.text).toContain('Auto-Submitted: auto-generated');
    expect(mails[0]?.text).toContain('It answered 500 & <nothing> else.');
  });

  it('carries what is to be read whole, beside the text', async () => {
    const { port, mails } = await mailServer();
    const content = `<!doctype html><p>Überblick</p>${'x'.repeat(2_000)}\n.\nQUIT\n`;
    const report = { fileName: 'report "1".html', contentType: 'text/html; charset=utf-8', content };
    const { incidentId: _, ...read } = alert;
    await deliver(email(port), undefined, { ...read, kind: 'digest', attachments: [report] });
    const text = mails[0]?.text ?? '';
    expect(text).toContain('It answered 500 & <nothing> else.');
    const [, part = ''] = /\r\nContent-Disposition: attachment;[^]*?\r\n\r\n([^]*?)\r\n--/.exec(text) ?? [];
    expect(Buffer.from(part, 'base64').toString()).toBe(content);
    expect(text).toMatch(/Content-Type: text\/html; charset=utf-8;/);
  });

  it('signs in with user and password', async () => {
    const seen: unknown[] = [];
    const { port, mails } = await mailServer({
      authOptional: false,
      onAuth({ username, password }, _session, done) {
        seen.push([username, password]);
        done(null, { user: username });
      },
    });

    await deliver(email(port, { user: 'steward', password: { env: 'MAIL' } }));

    expect(seen).toEqual([['steward', 'mail-password']]);
    expect(mails).toHaveLength(1);
  });

  it('does not let a password travel in the clear when TLS is required', async () => {
    const { port, mails } = await mailServer({ onAuth: (_auth, _session, done) => done(null, { user: 'x' }) });

    await expect(
      deliver(email(port, { user: 'steward', password: { env: 'MAIL' }, requireTls: true })),
    ).rejects.toThrow(/mail server/);
    expect(mails).toEqual([]);
  });

  it.each([
    [
      'a refused sign-in',
      {
        authOptional: false,
        onAuth: (_a: unknown, _s: unknown, done: (error: Error) => void) =>
          done(Object.assign(new Error('wrong'), { responseCode: 535 })),
      },
      false,
    ],
    [
      'a refused recipient',
      {
        onRcptTo: (_a: unknown, _s: unknown, done: (error?: Error) => void) =>
          done(Object.assign(new Error('no such user'), { responseCode: 550 })),
      },
      false,
    ],
    [
      'a greylisting server',
      {
        onRcptTo: (_a: unknown, _s: unknown, done: (error?: Error) => void) =>
          done(Object.assign(new Error('come back later'), { responseCode: 451 })),
      },
      true,
    ],
  ])('knows whether a later try may help after %s', async (_what, options, retryable) => {
    const { port } = await mailServer({
      onAuth: (_auth, _session, done) => done(null, { user: 'steward' }),
      ...(options as SMTPServerOptions),
    });

    await expect(deliver(email(port, { user: 'steward', password: { env: 'MAIL' } }))).rejects.toMatchObject({
      retryable,
      name: 'StewardError',
    });
  });

  it('tries again where nobody listens, or the server hangs', async () => {
    const { port } = await receiver(() => undefined).then(({ url }) => ({ port: Number(new URL(url).port) }));
    await expect(deliver(email(port), AbortSignal.timeout(300))).rejects.toMatchObject({
      code: 'TIMEOUT',
      retryable: true,
    });

    await closing.pop()?.();

    await expect(deliver(email(port))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  it('does not use a mail server on this machine unless the channel says so', async () => {
    const { port, mails } = await mailServer();

    await expect(deliver(email(port, { allowPrivate: false }))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect(mails).toEqual([]);
  });
});
