import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import type { Channel, Message } from '../../core/alert.ts';
import type { SecretReference } from '../../core/secrets.ts';
import { StewardError } from '../../core/errors.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { ACKNOWLEDGE, markOf } from './words.ts';

export interface EmailSettings {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly requireTls?: boolean | undefined;
  readonly user?: string | undefined;
  readonly password?: SecretReference | undefined;
  readonly from: string;
  readonly to: readonly string[];
  readonly allowPrivate: boolean;
}

const WITHIN_MS = 8_000;

/** Mail through an SMTP server. The Message-ID is made of the alert's id, so a mail sent twice is one to mail programs. */
export function emailChannel(
  settings: EmailSettings,
  { outbound, secrets }: Pick<ChannelDeps, 'outbound' | 'secrets'>,
): Channel {
  const { name, host, port, secure, user, password, from, to, allowPrivate } = settings;
  return {
    name,
    kind: 'email',
    async deliver(alert, signal) {
      const pass = password && (await secrets(password));
      const address = await outbound.resolve(host, { allowPrivate });
      const transport = createTransport({
        host: address,
        port,
        secure,
        // A password does not travel in the clear, except within this machine.
        requireTLS: settings.requireTls ?? (pass !== undefined && !secure && !isThisMachine(address)),
        ...(isIP(host) === 0 ? { tls: { servername: host } } : {}),
        ...(user !== undefined && pass !== undefined ? { auth: { user, pass } } : {}),
        connectionTimeout: WITHIN_MS,
        greetingTimeout: WITHIN_MS,
        socketTimeout: WITHIN_MS,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      const interrupted = Promise.withResolvers<never>();
      const stop = (): void => interrupted.reject(signal.reason);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
      try {
        const sending = transport.sendMail({ from, to: [...to], ...mail(alert, from) });
        sending.catch(() => undefined); // it may fail after the interruption
        const { response, rejected } = await Promise.race([sending, interrupted.promise]);
        const missed = rejected.length > 0 ? `; refused for ${rejected.map(String).join(', ')}` : '';
        return { receipt: `${response.slice(0, 200)}${missed}` };
      } catch (thrown) {
        throw translate(thrown, name, `${host}:${port}`);
      } finally {
        signal.removeEventListener('abort', stop);
        transport.close();
      }
    },
  };
}

function isThisMachine(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

function mail(
  alert: Message,
  from: string,
): {
  subject: string;
  text: string;
  messageId: string;
  references?: string;
  headers: Record<string, string>;
  date: Date;
  attachments?: { filename: string; contentType: string; content: string }[];
} {
  const domain = from.split('@').at(-1)?.replace(/>$/, '') ?? 'steward';
  const lines = [
    alert.text,
    '',
    ...(alert.service === undefined ? [] : [`Service: ${alert.service}`]),
    `Node: ${alert.node}`,
    `Time: ${alert.at.toISOString()}`,
    ...(alert.incidentId === undefined ? [] : [`Incident: ${alert.incidentId}`]),
    ...(alert.url === undefined ? [] : [`See ${alert.url}`]),
    ...(alert.acknowledgeUrl === undefined ? [] : [`${ACKNOWLEDGE}: ${alert.acknowledgeUrl}`]),
  ];
  return {
    subject: `[${markOf(alert)}] ${alert.title}`.replaceAll(/\s+/g, ' '),
    text: lines.join('\n'),
    messageId: `<${alert.id}@${domain}>`,
    // Mail programs put what is about one incident into one conversation.
    ...(alert.incidentId === undefined ? {} : { references: `<${alert.incidentId}@${domain}>` }),
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Steward-Alert': alert.id },
    date: alert.at,
    ...(alert.attachments !== undefined && {
      attachments: alert.attachments.map(({ fileName, contentType, content }) => ({
        filename: fileName,
        contentType,
        content,
      })),
    }),
  };
}

function translate(thrown: unknown, name: string, server: string): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const {
    message = '',
    code = '',
    responseCode,
  } = thrown as { message?: string; code?: string; responseCode?: number };
  const what = `The mail server ${server} of channel ${name}`;
  const said = message.replaceAll(/\s+/g, ' ').slice(0, 300);
  if ((thrown as Error).name === 'TimeoutError' || code === 'ETIMEDOUT') {
    return new StewardError('TIMEOUT', `${what} did not answer in time.`, {
      hint: 'It is tried again.',
      cause: thrown,
    });
  }
  if ((thrown as Error).name === 'AbortError')
    return new StewardError('CANCELED', `Sending through ${server} was interrupted.`, {
      retryable: true,
      cause: thrown,
    });
  // SMTP: 4xx asks to come back, 5xx is a refusal.
  if (responseCode !== undefined && responseCode >= 500) {
    return new StewardError('PRECONDITION_FAILED', `${what} refused: ${said}`, {
      hint: `Correct user, password, from or to of channel ${name} in steward.yaml.`,
      cause: thrown,
    });
  }
  return new StewardError('UNAVAILABLE', `${what} did not take the mail: ${said}`, {
    hint: 'It is tried again.',
    cause: thrown,
  });
}
