import { connect, isIP } from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection/index.js';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import type { Lookup } from './names.ts';
import { endingResult, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type SmtpTarget = TargetOf<'smtp'>;
type SmtpError = SMTPConnection.SMTPError;

/** A server that has too much to do, or is about to end, says 421; 450 and 454 pass as well. */
const NOT_NOW = /^4\d\d$/;

/** Greeting, EHLO, STARTTLS as far as wanted, login where a password is given, QUIT. Mail is never sent. */
export function probeSmtp(
  target: SmtpTarget,
  password: string | undefined,
  options: ProbeOptions,
  lookup: Lookup,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    let doing = 'connection';
    let over = false;
    let session: SMTPConnection | undefined;
    const socket = connect({ host: target.host, port: target.port, lookup });
    const finish = (result: ProbeResult): void => {
      if (over) return;
      over = true;
      clear();
      // A server that was left without a goodbye notes it in its log, every minute.
      if (session && (result.state === 'up' || result.state === 'degraded')) {
        session.quit();
        setTimeout(() => socket.destroy(), 1_000).unref();
      } else {
        session?.close();
        socket.destroy();
      }
      resolve(result);
    };
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) =>
      finish(
        endingResult(ending, options.timeoutMs, doing === 'connection' ? 'presence' : 'connect', startedAt, doing),
      ),
    );
    const failed = (thrown: SmtpError): void => finish(failure(thrown, doing, startedAt));
    socket.on('error', failed);
    socket.once('connect', () => {
      doing = 'greeting';
      session = converse(target, socket, options, (thrown) => {
        if (thrown) return failed(thrown);
        const tls = session?.secure === true;
        if (password === undefined)
          return finish(
            answered('query', `greets and answers EHLO${tls ? ' over TLS' : ''}`, startedAt, options, { tls }),
          );
        doing = 'answer to the login';
        session?.login({ credentials: { user: target.user ?? '', pass: password } }, (refused) =>
          refused ? failed(refused) : finish(answered('query', 'login accepted', startedAt, options, { tls })),
        );
      });
      session.on('error', failed);
      session.on('end', () => finish(saw('down', 'connect', `connection closed before the ${doing}`, startedAt)));
    });
  });
}

function converse(
  { host, tls, insecure }: SmtpTarget,
  socket: ReturnType<typeof connect>,
  { timeoutMs }: ProbeOptions,
  done: (thrown?: SmtpError) => void,
): SMTPConnection {
  const session = new SMTPConnection({
    connection: socket,
    host,
    secure: tls === 'implicit',
    ignoreTLS: tls === 'never',
    requireTLS: tls === 'required',
    name: 'steward.invalid',
    // The deadline of the probe covers them all.
    connectionTimeout: timeoutMs * 2,
    greetingTimeout: timeoutMs * 2,
    socketTimeout: timeoutMs * 2,
    tls: { rejectUnauthorized: !insecure, ...(isIP(host) === 0 && { servername: host }) },
  });
  session.connect(done);
  return session;
}

function failure(thrown: SmtpError, doing: string, startedAt: number): ProbeResult {
  const { code = '', responseCode, response, message } = thrown;
  const said = peerText((response ?? message.split(';')[0] ?? '').trim(), 160);
  if (responseCode !== undefined && NOT_NOW.test(String(responseCode)))
    return saw('degraded', 'handshake', `it answers, but is not ready: ${said}`, startedAt, { code: responseCode });
  if (code === 'EAUTH' || code === 'ENOAUTH')
    return saw('down', 'handshake', `the login was refused: ${said}`, startedAt, { code: 'LOGIN_REFUSED' });
  if (code === 'ETLS') return saw('down', 'handshake', `TLS: ${said}`, startedAt, { code });
  if (code === 'ECONNECTION' && doing !== 'connection')
    return saw('down', 'connect', `connection closed before the ${doing}`, startedAt, { code });
  if (code === 'EPROTOCOL')
    return saw('down', 'connect', `it answers, but not as a mail server: ${said}`, startedAt, { code });
  if (/CERT|SIGNED|ALTNAME/.test(code) || /certificate|altnames/i.test(message))
    return saw('down', 'handshake', `TLS: ${said}`, startedAt, { code });
  return networkFailure(thrown, doing === 'connection' ? 'presence' : 'connect', startedAt);
}
