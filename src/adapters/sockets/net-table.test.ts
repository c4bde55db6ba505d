import { describe, expect, it } from 'vitest';
import { ESTABLISHED, LISTEN, parseAddress, parseNetTable } from './net-table.ts';
import { parseUnixTable } from './unix-table.ts';

const header = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';

describe('addresses of the kernel', () => {
  it.each([
    ['0100007F', '127.0.0.1'],
    ['00000000', '0.0.0.0'],
    ['0000000000000000FFFF00000100007F', '127.0.0.1'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000001000000', '::1'],
    ['B80D0120000000000000000001000000', '2001:db8::1'],
    ['000080FE00000000FF4E5402D4B1CAFE', 'fe80::254:4eff:feca:b1d4'],
    ['B80D0120010000000000000001000000', '2001:db8:0:1::1'],
    ['B80D0120000000000000010001000000', '2001:db8::1:0:0:1'],
  ])('%s is %s', (hex, address) => {
    expect(parseAddress(hex)).toBe(address);
  });
});

describe('socket tables', () => {
  const table =
    header +
    '   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   106        0 4242 1 0000000000000000 100 0 0 10 0\n' +
    '   1: 0100007F:1538 0100007F:C001 01 00000000:00000000 00:00000000 00000000   106        0 4243 1 0000000000000000 20 4 30 10 -1\n' +
    '   2: 0100007F:1538 0100007F:C002 06 00000000:00000000 03:00000F00 00000000     0        0 0 3 0000000000000000\n';

  it('keeps the states that were asked for', () => {
    expect(parseNetTable(table, 'tcp', new Set([LISTEN]))).toEqual([
      {
        protocol: 'tcp',
        state: LISTEN,
        localAddress: '127.0.0.1',
        localPort: 5432,
        remoteAddress: '0.0.0.0',
        remotePort: 0,
        uid: 106,
        inode: '4242',
      },
    ]);
    expect(parseNetTable(table, 'tcp', new Set([ESTABLISHED]))).toHaveLength(1);
  });

  it('finds nothing in an empty table', () => {
    expect(parseNetTable(header, 'tcp', new Set([LISTEN]))).toEqual([]);
    expect(parseNetTable('', 'tcp', new Set([LISTEN]))).toEqual([]);
  });
});

describe('unix sockets', () => {
  it('keeps listening sockets of databases only', () => {
    const table =
      'Num       RefCount Protocol Flags    Type St Inode Path\n' +
      '0000000000000000: 00000002 00000000 00010000 0001 01 111 /run/postgresql/.s.PGSQL.5432\n' +
      '0000000000000000: 00000003 00000000 00000000 0001 03 112 /run/postgresql/.s.PGSQL.5432\n' +
      '0000000000000000: 00000002 00000000 00010000 0001 01 113 /run/dbus/system_bus_socket\n' +
      '0000000000000000: 00000002 00000000 00010000 0001 01 114 /tmp/my folder/redis-a.sock\n' +
      '0000000000000000: 00000002 00000000 00010000 0001 01   115 @abstract/redis.sock\n';

    expect(parseUnixTable(table)).toEqual([
      { path: '/run/postgresql/.s.PGSQL.5432', inode: '111' },
      { path: '/tmp/my folder/redis-a.sock', inode: '114' },
    ]);
  });
});
