// Which addresses a list covers. Addresses come as a socket gives them, lists as people write them: 10.0.0.0/8, 2001:db8::/32, ::1.

/** A range of addresses: those whose first `bits` are these. IPv4 is seen as the part of IPv6 that maps it. */
export interface AddressRange {
  readonly start: bigint;
  readonly bits: number;
}

const MAPPED = 0xffffn << 32n;

/** Nothing where the text is no address and no range. */
export function addressRange(text: string): AddressRange | undefined {
  const [address = '', length, ...rest] = text.trim().split('/');
  const start = addressNumber(address);
  if (start === undefined || rest.length > 0) return undefined;
  const width = address.includes(':') ? 128 : 32;
  if (length === undefined) return { start, bits: 128 };
  if (!/^\d{1,3}$/.test(length) || Number(length) > width) return undefined;
  return { start, bits: Number(length) + 128 - width };
}

export function covers(ranges: readonly AddressRange[], address: string): boolean {
  const number = addressNumber(address);
  if (number === undefined) return false;
  return ranges.some(({ start, bits }) => {
    const rest = BigInt(128 - bits);
    return number >> rest === start >> rest;
  });
}

function addressNumber(text: string): bigint | undefined {
  const address = text.split('%')[0] ?? '';
  if (!address.includes(':')) {
    const number = ipv4(address);
    return number === undefined ? undefined : MAPPED | number;
  }
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const tail = dotted ? ipv4(dotted[2] ?? '') : undefined;
  if (dotted && tail === undefined) return undefined;
  const colons = dotted
    ? `${dotted[1]}${((tail ?? 0n) >> 16n).toString(16)}:${((tail ?? 0n) & 0xffffn).toString(16)}`
    : address;
  const halves = colons.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], end = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - end.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...Array<string>(missing).fill('0'), ...end];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return groups.reduce((number, group) => (number << 16n) | BigInt(`0x${group}`), 0n);
}

function ipv4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return parts.reduce((number, part) => (number << 8n) | BigInt(part), 0n);
}
