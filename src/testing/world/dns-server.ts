import { type Socket, createSocket } from 'node:dgram';
import { type AddressInfo, type Server, createServer } from 'node:net';

export type DnsManner = 'answer' | 'drop' | 'refuse' | 'fail' | 'truncate';

/** A name server of a few records, over UDP and TCP on one port of loopback. */
export interface DnsServer extends AsyncDisposable {
  readonly port: number;
  /** truncate: over UDP it says only that there is more, so that one has to come again over TCP. */
  manner: DnsManner;
  /** By type and name, as 'MX example.test'; each value as a zone file has it. */
  readonly records: Map<string, string[]>;
  /** Questions so far, with how they came. */
  readonly asked: string[];
}

const TYPES: Readonly<Record<number, string>> = {
  1: 'A',
  2: 'NS',
  5: 'CNAME',
  6: 'SOA',
  12: 'PTR',
  15: 'MX',
  16: 'TXT',
  28: 'AAAA',
  33: 'SRV',
  257: 'CAA',
};
const FLAGS = 0x8180;
const CODES: Readonly<Partial<Record<DnsManner, number>>> = { refuse: 5, fail: 2 };

export async function startDnsServer(records: Readonly<Record<string, string[]>>): Promise<DnsServer> {
  const udp: Socket = createSocket('udp4');
  const held = new Set<{ destroy(): void }>();
  const tcp: Server = createServer((socket) => {
    held.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const reply = answer(chunk.subarray(2), 'tcp');
      if (!reply) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    });
  });
  const server: DnsServer = {
    port: 0,
    manner: 'answer',
    records: new Map(Object.entries(records)),
    asked: [],
    async [Symbol.asyncDispose]() {
      for (const socket of held) socket.destroy();
      await Promise.all([
        new Promise<void>((resolve) => udp.close(() => resolve())),
        new Promise((resolve) => tcp.close(resolve)),
      ]);
    },
  };

  function answer(query: Buffer, by: 'udp' | 'tcp'): Buffer | undefined {
    const { name, type, end } = questionOf(query);
    server.asked.push(`${by} ${type} ${name}`);
    if (server.manner === 'drop') return undefined;
    const cut = server.manner === 'truncate' && by === 'udp';
    const values =
      server.manner === 'answer' || server.manner === 'truncate' ? server.records.get(`${type} ${name}`) : [];
    const rows = cut ? [] : (values ?? []);
    const head = Buffer.alloc(12);
    head.writeUInt16BE(query.readUInt16BE(0), 0);
    head.writeUInt16BE((FLAGS | (cut ? 0x0200 : 0) | (CODES[server.manner] ?? (values ? 0 : 3))) & 0xffff, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(rows.length, 6);
    const question = query.subarray(12, end);
    return Buffer.concat([head, question, ...rows.map((value) => record(query.readUInt16BE(end - 4), type, value))]);
  }

  udp.on('message', (query, from) => {
    const reply = answer(query, 'udp');
    if (reply) udp.send(reply, from.port, from.address);
  });
  const port = await new Promise<number>((resolve) =>
    tcp.listen(0, '127.0.0.1', () => resolve((tcp.address() as AddressInfo).port)),
  );
  await new Promise<void>((resolve, reject) => {
    udp.once('error', reject);
    udp.bind(port, '127.0.0.1', resolve);
  });
  return Object.assign(server, { port });
}

function questionOf(query: Buffer): { name: string; type: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  const number = query.readUInt16BE(at + 1);
  return { name: labels.join('.'), type: TYPES[number] ?? String(number), end: at + 5 };
}

function record(number: number, type: string, value: string): Buffer {
  const data = dataOf(type, value);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(number, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(type: string, value: string): Buffer {
  const words = value.split(' ');
  switch (type) {
    case 'A':
      return Buffer.from(value.split('.').map(Number));
    case 'AAAA':
      return Buffer.from(
        value
          .split(':')
          .map((part) => part.padStart(4, '0'))
          .join(''),
        'hex',
      );
    case 'MX':
      return Buffer.concat([numbers(words[0]), nameOf(words[1])]);
    case 'SRV':
      return Buffer.concat([numbers(words[0], words[1], words[2]), nameOf(words[3])]);
    case 'TXT':
      return Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
    case 'CAA':
      return Buffer.concat([
        Buffer.from([Number(words[0]), words[1]?.length ?? 0]),
        Buffer.from(`${words[1]}${words[2]}`),
      ]);
    case 'SOA':
      return Buffer.concat([nameOf(words[0]), nameOf(words[1]), ...[words[2], '1', '1', '1', '1'].map(long)]);
    default:
      return nameOf(value);
  }
}

function numbers(...values: readonly (string | undefined)[]): Buffer {
  const data = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) data.writeUInt16BE(Number(value), index * 2);
  return data;
}

function long(value: string | undefined): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(Number(value));
  return data;
}

function nameOf(name = ''): Buffer {
  const parts = name.split('.').filter(Boolean);
  return Buffer.concat([
    ...parts.map((part) => Buffer.concat([Buffer.from([part.length]), Buffer.from(part)])),
    Buffer.from([0]),
  ]);
}
