import { type Connection, createConnection } from 'mysql2/promise';
import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import { type DatabaseGauge, judgeDatabase } from './database-trouble.ts';
import { converse } from './dialog.ts';
import { type Lookup, addressFor } from './names.ts';
import { endingResult, errorCode, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type MysqlTarget = Extract<CheckTarget, { kind: 'mysql' }>;

const TOO_MANY_CONNECTIONS = 1040;
const SHUTTING_DOWN = 1053;
const ACCESS_DENIED = 1045;
// PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH
const CAPABILITIES = 0x0000_0200 | 0x0000_8000 | 0x0008_0000;

/** SELECT 1 where a password is given, otherwise the handshake. */
export async function probeMysql(
  target: MysqlTarget,
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
 * Reads the greeting and lets a login without a name be refused. Hanging up after the greeting would be cheaper,
 * but the server counts interrupted handshakes and blocks the host after a hundred of them (max_connect_errors).
 */
function shakeHands(target: MysqlTarget, options: ProbeOptions, lookup: Lookup): Promise<ProbeResult> {
  let version: string | undefined;
  let seen = 0;
  return converse(
    target,
    {
      awaited: 'end of the handshake',
      answer(received, socket, startedAt) {
        for (let packet = nextPacket(received, seen); packet; packet = nextPacket(received, seen)) {
          seen += 4 + packet.body.length;
          const kind = packet.body[0];
          if (kind === 0xff) return judgeError(packet.body, version, startedAt, options);
          if (version === undefined) {
            if (kind !== 10 || packet.sequence !== 0) break;
            version = peerText(packet.body.toString('latin1', 1, Math.max(packet.body.indexOf(0, 1), 1)), 60);
            socket.write(framed(anonymousLogin(), 1));
          } else if (kind === 0xfe) {
            socket.write(framed(Buffer.alloc(0), packet.sequence + 1));
          } else {
            return greeted(version, startedAt, options);
          }
        }
        return version !== undefined || mayBeGreeting(received)
          ? undefined
          : saw('down', 'connect', 'it answers, but not as MySQL', startedAt, {
              received: peerText(received.toString('latin1'), 80),
            });
      },
    },
    options,
    lookup,
  );
}

/** Sequence number 0, then protocol version 10 or an error. */
function mayBeGreeting(received: Buffer): boolean {
  return (received[3] ?? 0) === 0 && [undefined, 10, 0xff].includes(received[4]);
}

function nextPacket(received: Buffer, from: number): { sequence: number; body: Buffer } | undefined {
  if (received.length < from + 4) return undefined;
  const length = received.readUIntLE(from, 3);
  if (received.length < from + 4 + length) return undefined;
  return { sequence: received[from + 3] ?? 0, body: received.subarray(from + 4, from + 4 + length) };
}

function framed(body: Buffer, sequence: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUIntLE(body.length, 0, 3);
  head[3] = sequence;
  return Buffer.concat([head, body]);
}

function anonymousLogin(): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32LE(CAPABILITIES, 0);
  head.writeUInt32LE(0x0100_0000, 4);
  head[8] = 45;
  return Buffer.concat([
    head,
    Buffer.from('steward-health-check\0'),
    Buffer.from([0]),
    Buffer.from('mysql_native_password\0'),
  ]);
}

function greeted(version: string, startedAt: number, options: ProbeOptions): ProbeResult {
  return answered('handshake', 'handshake only: no login was tried', startedAt, options, { version });
}

function judgeError(body: Buffer, version: string | undefined, startedAt: number, options: ProbeOptions): ProbeResult {
  const number = body.length >= 3 ? body.readUInt16LE(1) : 0;
  const said = peerText(body.toString('latin1', 3), 160);
  if (number === TOO_MANY_CONNECTIONS) return exhausted(said, number, startedAt);
  if (number === SHUTTING_DOWN) return saw('down', 'handshake', said, startedAt, { code: number });
  if (version !== undefined && number === ACCESS_DENIED) return greeted(version, startedAt, options);
  return answered('handshake', `handshake only: ${said}`, startedAt, options, { code: number });
}

async function selectOne(
  target: MysqlTarget,
  address: string,
  password: string,
  options: ProbeOptions,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  let connection: Connection | undefined;
  let ended = false;
  const ask = async (): Promise<ProbeResult> => {
    connection = await createConnection({
      host: address,
      port: target.port,
      user: target.user ?? 'root',
      password,
      connectTimeout: options.timeoutMs,
    });
    // The deadline may have passed while the server took its time to greet.
    if (ended) connection.destroy();
    const [rows] = await connection.query('select 1 as one');
    const one = (rows as { one: number }[])[0]?.one;
    return one === 1
      ? judgeDatabase('SELECT 1 returned 1', await gauge(connection), target, startedAt, options)
      : saw('down', 'query', 'SELECT 1 did not return 1', startedAt);
  };
  const result = await new Promise<ProbeResult>((resolve) => {
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) =>
      resolve(endingResult(ending, options.timeoutMs, 'connect', startedAt, 'answer to SELECT 1')),
    );
    ask()
      .catch((thrown: unknown) => failure(thrown, startedAt))
      .then((judged) => {
        clear();
        resolve(judged);
      }, resolve);
  });
  ended = true;
  connection?.destroy();
  return result;
}

/** Waits for rows and for tables; seeing those of others takes the PROCESS privilege. */
const ROW_LOCKS = `select count(*) as waiting, max(timestampdiff(microsecond, trx_wait_started, now(6))) / 1000 as wait_ms
  from information_schema.innodb_trx where trx_state = 'LOCK WAIT'`;
const TABLE_LOCKS = `select count(*) as waiting, max(time) * 1000 as wait_ms
  from information_schema.processlist where state like 'Waiting for%lock%'`;
/** The longest open transaction that waits for nobody is, as a rule, who is waited for. */
const HOLDERS = `select trx_mysql_thread_id as id from information_schema.innodb_trx
  where trx_state = 'RUNNING' and trx_mysql_thread_id <> connection_id() order by trx_started limit 3`;

/** That it answers is proven already; where it does not tell more, no more is said. */
async function gauge(connection: Connection): Promise<DatabaseGauge> {
  const ask = async (sql: string): Promise<Record<string, unknown>[]> => {
    try {
      return (await connection.query(sql))[0] as Record<string, unknown>[];
    } catch (thrown) {
      if ((thrown as { sqlState?: string }).sqlState === undefined) throw thrown;
      return [];
    }
  };
  const waits = [...(await ask(ROW_LOCKS)), ...(await ask(TABLE_LOCKS))];
  const waiting = waits.reduce((sum, row) => sum + Number(row['waiting']), 0);
  const [connected] = await ask(`show global status like 'Threads_connected'`);
  const [limit] = await ask('select @@global.max_connections as max_connections');
  return {
    waiting,
    lockWaitMs: Math.max(0, ...waits.map((row) => Number(row['wait_ms'] ?? 0))),
    blockers: waiting > 0 ? (await ask(HOLDERS)).map(({ id }) => `connection ${String(id)}`) : [],
    connections: connected && Number(connected['Value']),
    maxConnections: limit && Number(limit['max_connections']),
  };
}

function failure(thrown: unknown, startedAt: number): ProbeResult {
  const { errno, sqlState, message } = thrown as { errno?: number; sqlState?: string; message?: string };
  const said = peerText(message ?? '');
  const code = errorCode(thrown);
  if (errno === TOO_MANY_CONNECTIONS) return exhausted(said, code, startedAt);
  if (errno === ACCESS_DENIED)
    return saw('down', 'handshake', `the login was refused: ${said}`, startedAt, { code: 'LOGIN_REFUSED' });
  return sqlState === undefined
    ? networkFailure(thrown, 'connect', startedAt)
    : saw('down', 'handshake', `SELECT 1 failed: ${said}`, startedAt, { code });
}

function exhausted(said: string, code: string | number, startedAt: number): ProbeResult {
  return {
    ...saw('degraded', 'handshake', `it answers, but is not ready: ${said}`, startedAt, { code }),
    problem: 'pool.exhausted',
  };
}
