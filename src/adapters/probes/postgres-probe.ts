import pg from 'pg';
import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import { converse } from './dialog.ts';
import { endingResult, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type PostgresTarget = Extract<CheckTarget, { kind: 'postgres' }>;

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
// Starting up, shutting down, recovering, no connection slot left: PostgreSQL says so by itself and leaves it again.
const NOT_READY = new Set(['57P03', '53300']);

/** SELECT 1 where a password is given, otherwise the handshake. */
export function probePostgres(
  target: PostgresTarget,
  password: string | undefined,
  options: ProbeOptions,
): Promise<ProbeResult> {
  return password === undefined ? shakeHands(target, options) : selectOne(target, password, options);
}

/**
 * Asks whether TLS is spoken and hangs up. Going on without credentials would leave a line in the server's log every minute
 * ("no pg_hba.conf entry", "role does not exist"), so whether it also accepts sessions is not known, and the message says so.
 */
function shakeHands(target: PostgresTarget, options: ProbeOptions): Promise<ProbeResult> {
  return converse(
    target,
    {
      opening: SSL_REQUEST,
      awaited: 'answer to the handshake',
      answer(received, _socket, startedAt) {
        const said = received.toString('latin1', 0, 1);
        if (said === 'S' || said === 'N')
          return answered('handshake', 'handshake only: no login was tried', startedAt, options, { tls: said === 'S' });
        if (said === 'E')
          return saw('down', 'handshake', 'it refuses the handshake', startedAt, {
            received: peerText(received.toString('latin1', 5), 120),
          });
        return saw('down', 'connect', 'it answers, but not as PostgreSQL', startedAt, {
          received: peerText(received.toString('latin1'), 80),
        });
      },
    },
    options,
  );
}

async function selectOne(target: PostgresTarget, password: string, options: ProbeOptions): Promise<ProbeResult> {
  const startedAt = performance.now();
  const client = new pg.Client({
    host: target.host,
    port: target.port,
    user: target.user ?? 'postgres',
    database: target.database ?? target.user ?? 'postgres',
    password,
    application_name: 'steward health check',
  });
  client.on('error', () => undefined);
  const result = await new Promise<ProbeResult>((resolve) => {
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) =>
      resolve(endingResult(ending, options.timeoutMs, 'connect', startedAt, 'answer to SELECT 1')),
    );
    client
      .connect()
      .then(() => client.query<{ one: number }>('select 1 as one'))
      .then(
        ({ rows }) =>
          rows[0]?.one === 1
            ? answered('query', 'SELECT 1 returned 1', startedAt, options)
            : saw('down', 'query', 'SELECT 1 did not return 1', startedAt),
        (thrown: unknown) => failure(thrown, startedAt),
      )
      .then((judged) => {
        clear();
        resolve(judged);
      }, resolve);
  });
  // A server that hangs would hold the polite goodbye as well.
  if (result.state === 'up' || result.state === 'degraded') void client.end().catch(() => undefined);
  else (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
  return result;
}

function failure(thrown: unknown, startedAt: number): ProbeResult {
  const { code, message, severity } = thrown as { code?: string; message?: string; severity?: string };
  if (severity === undefined) return networkFailure(thrown, 'connect', startedAt);
  const said = peerText(message ?? '');
  if (code !== undefined && NOT_READY.has(code))
    return saw('degraded', 'handshake', `it answers, but is not ready: ${said}`, startedAt, { code });
  if (code?.startsWith('28'))
    return saw('down', 'handshake', `the login was refused: ${said}`, startedAt, { code: 'LOGIN_REFUSED' });
  return saw('down', 'handshake', `SELECT 1 failed: ${said}`, startedAt, { code: code ?? null });
}
