import type { AddressInfo } from 'node:net';
import mysql from 'mysql2';
import { afterEach, expect, it } from 'vitest';
import { createDatabases } from './index.ts';

let stop: () => Promise<void> = async () => undefined;
afterEach(() => stop());

interface Listening {
  on(event: 'connection', listener: (connection: unknown) => void): void;
  listen(port: number, host: string, done: () => void): void;
  close(done: () => void): void;
  readonly _server: { address(): AddressInfo };
}
interface Peer {
  sequenceId: number;
  serverHandshake(greeting: object): void;
  writeTextResult(rows: object[], columns: object[]): void;
  on(event: 'query' | 'error', listener: (text: string) => void): void;
}

/** A server that speaks the protocol, and answers as the manual of MySQL describes its tables. */
async function server(version: string, asked: string[]): Promise<number> {
  // Its types leave out what it can.
  const listening = (mysql.createServer as unknown as () => Listening)();
  listening.on('connection', (connection: unknown) => {
    const peer = connection as Peer;
    peer.serverHandshake({
      protocolVersion: 10,
      serverVersion: version,
      connectionId: 1,
      statusFlags: 2,
      characterSet: 8,
      capabilityFlags: 0xff_f7_df,
    });
    peer.on('error', () => undefined);
    peer.on('query', (sql: string) => {
      asked.push(sql);
      peer.sequenceId = 1;
      const rows: Record<string, unknown>[] = sql.startsWith('select version()')
        ? [{ statement: version }]
        : [
            {
              id: 8,
              user: 'app',
              host: '10.0.0.5:50000',
              command: 'Sleep',
              seconds: 95,
              statement: '',
              transaction_seconds: 96,
              waits_for: null,
            },
            {
              id: 9,
              user: 'app',
              host: '10.0.0.5:50001',
              command: 'Query',
              seconds: 60,
              statement: 'update stock',
              transaction_seconds: 60,
              waits_for: '8',
            },
          ];
      const names = Object.keys(rows[0] as object);
      peer.writeTextResult(
        rows,
        names.map((name) => ({
          catalog: 'def',
          schema: '',
          table: '',
          orgTable: '',
          name,
          orgName: name,
          characterSet: 33,
          columnLength: 384,
          columnType: ['id', 'seconds', 'transaction_seconds'].includes(name) ? 8 : 253,
          flags: 0,
          decimals: 0,
        })),
      );
    });
  });
  const port = await new Promise<number>((resolve) => {
    listening.listen(0, '127.0.0.1', () => resolve(listening._server.address().port));
  });
  stop = () => new Promise((resolve) => listening.close(() => resolve()));
  return port;
}

it.each([
  ['8.0.36', 'performance_schema.data_lock_waits', 'BLOCKING_ENGINE_TRANSACTION_ID'],
  ['9.1.0', 'performance_schema.data_lock_waits', 'BLOCKING_ENGINE_TRANSACTION_ID'],
  ['5.7.44', 'information_schema.INNODB_LOCK_WAITS', 'blocking_trx_id'],
  ['5.5.5-10.11.6-MariaDB', 'information_schema.INNODB_LOCK_WAITS', 'blocking_trx_id'],
])('asks %s for its locks in %s (a server made of the manual, not a real MySQL)', async (version, table, column) => {
  const asked: string[] = [];
  const port = await server(version, asked);
  const sessions = await createDatabases().sessions(
    { kind: 'mysql', host: '127.0.0.1', port, user: 'steward', password: '' },
    new AbortController().signal,
  );
  expect(asked.at(-1)).toContain(`from ${table} w`);
  expect(asked.at(-1)).toContain(`w.${column}`);
  expect(sessions).toMatchObject([
    { id: '8', state: 'idle-in-transaction', waitsFor: [] },
    { id: '9', state: 'active', waitsFor: ['8'] },
  ]);
});
