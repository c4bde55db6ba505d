/** One line of /proc/net/tcp, tcp6, udp or udp6. */
export interface NetEntry {
  readonly protocol: 'tcp' | 'udp';
  readonly state: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly uid: number;
  readonly inode: string;
}

export const ESTABLISHED = 0x01;
export const LISTEN = 0x0a;
// An unconnected UDP socket is in the state that TCP calls closed: it takes datagrams from anyone.
export const UDP_OPEN = 0x07;

/** Entries in one of the given states. The rest (TIME_WAIT by the thousand on a busy machine) is not even split. */
export function parseNetTable(text: string, protocol: 'tcp' | 'udp', states: ReadonlySet<number>): NetEntry[] {
  const entries: NetEntry[] = [];
  let start = text.indexOf('\n') + 1;
  while (start > 0 && start < text.length) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    const entry = parseLine(text.slice(start, end), protocol, states);
    if (entry) entries.push(entry);
    start = end + 1;
  }
  return entries;
}

function parseLine(line: string, protocol: 'tcp' | 'udp', states: ReadonlySet<number>): NetEntry | undefined {
  const fields = line.trim().split(/\s+/, 10);
  const [, local, remote, stateText, , , , uid, , inode] = fields;
  if (!local || !remote || !stateText || !inode) return undefined;
  const state = Number.parseInt(stateText, 16);
  if (!states.has(state)) return undefined;
  const from = parseEndpoint(local);
  const to = parseEndpoint(remote);
  return {
    protocol,
    state,
    localAddress: from.address,
    localPort: from.port,
    remoteAddress: to.address,
    remotePort: to.port,
    uid: Number(uid),
    inode,
  };
}

function parseEndpoint(text: string): { address: string; port: number } {
  const colon = text.indexOf(':');
  return { address: parseAddress(text.slice(0, colon)), port: Number.parseInt(text.slice(colon + 1), 16) };
}

/** The kernel prints addresses as 32-bit words in the byte order of the machine: little-endian wherever Node 24 runs. */
export function parseAddress(hex: string): string {
  if (hex.length === 8) return ipv4(hex);
  const words = [hex.slice(0, 8), hex.slice(8, 16), hex.slice(16, 24), hex.slice(24, 32)];
  // A dual-stack server sees IPv4 peers as ::ffff:a.b.c.d; the peer's own side says a.b.c.d, and the two must match.
  if (words[0] === '00000000' && words[1] === '00000000' && words[2] === 'FFFF0000') return ipv4(words[3] ?? '');
  const groups: number[] = [];
  for (const word of words) {
    const [a, b, c, d] = bytes(word) as [number, number, number, number];
    groups.push(a * 256 + b, c * 256 + d);
  }
  return compressed(groups);
}

// Least significant byte first in memory, so the last printed byte is the first of the address.
function bytes(word: string): number[] {
  return [6, 4, 2, 0].map((at) => Number.parseInt(word.slice(at, at + 2), 16));
}

function ipv4(word: string): string {
  return bytes(word).join('.');
}

// RFC 5952: the longest run of zeros, the first of equals, two or more.
function compressed(groups: readonly number[]): string {
  let best = -1;
  let bestLength = 1;
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (from + length < 8 && groups[from + length] === 0) length++;
    if (length > bestLength) [best, bestLength] = [from, length];
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  return best < 0 ? text(groups) : `${text(groups.slice(0, best))}::${text(groups.slice(best + bestLength))}`;
}
