import pg from 'pg';
import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import { type DatabaseGauge, judgeDatabase } from './database-trouble.ts';
import { converse } from './dialog.ts';
import { type Lookup, addressFor } from './names.ts';
import { endingResult, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type PostgresTarget = Extract<CheckTarget, { kind: 'postgres' }>;

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
// Starting up, shutting down, recovering, no connection slot left: PostgreSQL says so by itself and leaves it again.
const NOT_READY = new Set(['57P03', '53300']);
const TOO_MANY_CONNECTIONS = '53300';

/** Of its own locks everybody sees all, so that no special role is needed; since 14 they say how long they wait. */
const GAUGE = `select
  (select sum(numbackends)::int from pg_stat_database) as connections,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as max_connections,
  (select count(distinct pid)::int from pg_locks where not granted) as waiting,
  (select extract(epoch from clock_timestamp() - min(WAITSTART)) * 1000 from pg_locks l left join pg_stat_activity a using (pid) where not l.granted)::float8 as wait_ms,
  array(select distinct unnest(pg_blocking_pids(pid))::text from (select distinct pid from pg_locks where not granted limit 20) w limit 10) as blockers`;

interface Row {
  readonly connections: number;
  readonly max_connections: number;
  readonly waiting: number;
  readonly wait_ms: number | null;
  readonly blockers: readonly string[];
}

/** SELECT 1 where a password is given, otherwise the handshake. */
export async function probePostgres(
  target: PostgresTarget,
  password: string | undefined,
  options: ProbeOptions,
  lookup: Lookup,
): Promise<ProbeResult> {
  if (password === undefined) return await shakeHands(target, options, lookup);
  const startedAt = performance.now();
  let address: string;
  try {
    address = await addressFor(lookup, target.host);
  } catch (thrown) {
    return networkFailure(thrown, 'presence', startedAt);
  }
  return await selectOne(target, address, password, options);
}

/**
 * Asks whether TLS is spoken and hangs up. Going on without credentials would leave a line in the server's log every minute
 * ("no pg_hba.conf entry", "role does not exist"), so whether it also accepts sessions is not known, and the message says so.
 */
function shakeHands(target: PostgresTarget, options: ProbeOptions, lookup: Lookup): Promise<ProbeResult> {
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
    lookup,
  );
}

async function selectOne(
  target: PostgresTarget,
  address: string,
  password: string,
  options: ProbeOptions,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  const client = new pg.Client({
    host: address,
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
      .then(async () => {
        const { rows } = await client.query<{ one: number }>('select 1 as one');
        return rows[0]?.one === 1
          ? judgeDatabase('SELECT 1 returned 1', await gauge(client), target, startedAt, options)
          : saw('down', 'query', 'SELECT 1 did not return 1', startedAt);
      })
      .catch((thrown: unknown) => failure(thrown, startedAt))
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

/** That it answers is proven already; where it does not tell more, no more is said. */
async function gauge(client: pg.Client): Promise<DatabaseGauge> {
  try {
    const version = await client.query<{ version: string }>(`select current_setting('server_version_num') as version`);
    const since = Number(version.rows[0]?.version) >= 140_000 ? 'l.waitstart' : 'a.query_start';
    const { rows } = await client.query<Row>(GAUGE.replace('WAITSTART', since));
    const [row] = rows;
    return row
      ? {
          connections: row.connections,
          maxConnections: row.max_connections,
          waiting: row.waiting,
          lockWaitMs: row.wait_ms ?? 0,
          blockers: row.blockers.filter((pid) => pid !== '0').map((pid) => `pid ${pid}`),
        }
      : {};
  } catch (thrown) {
    // A server that speaks the protocol without being PostgreSQL has another catalog, or none.
    if ((thrown as { severity?: string }).severity === undefined) throw thrown;
    return {};
  }
}

function failure(thrown: unknown, startedAt: number): ProbeResult {
  const { code, message, severity } = thrown as { code?: string; message?: string; severity?: string };
  if (severity === undefined) return networkFailure(thrown, 'connect', startedAt);
  const said = peerText(message ?? '');
  if (code !== undefined && NOT_READY.has(code))
    return {
      ...saw('degraded', 'handshake', `it answers, but is not ready: ${said}`, startedAt, { code }),
      ...(code === TOO_MANY_CONNECTIONS && { problem: 'pool.exhausted' }),
    };
  if (code?.startsWith('28'))
    return saw('down', 'handshake', `the login was refused: ${said}`, startedAt, { code: 'LOGIN_REFUSED' });
  return saw('down', 'handshake', `SELECT 1 failed: ${said}`, startedAt, { code: code ?? null });
}
