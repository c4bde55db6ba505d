import { BlockList, isIPv4, isIPv6 } from 'node:net';

/**
 * public: the internet. private: this machine and its networks. forbidden: never a service that somebody means to
 * call: link-local with the metadata of clouds, multicast, reserved.
 */
export type AddressClass = 'public' | 'private' | 'forbidden';

const PRIVATE = blockList(
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
);
const FORBIDDEN = blockList(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // Metadata of Alibaba Cloud and, over IPv6, of AWS: inside networks that are otherwise private.
  '100.100.100.200/32',
  'fd00:ec2::254/128',
  '2001::/32',
  '2001:db8::/32',
);
const UNICAST = blockList('2000::/3');

/** What kind of place an address is; text that is no address is forbidden. */
export function classifyAddress(address: string): AddressClass {
  const bare = address.split('%')[0] ?? '';
  if (isIPv4(bare)) return classify(bare, 'ipv4');
  if (!isIPv6(bare)) return 'forbidden';
  const embedded = embeddedIPv4(bare);
  if (embedded) return classify(embedded, 'ipv4');
  const found = classify(bare, 'ipv6');
  // Beyond what is private, only global unicast is a place.
  return found === 'public' && !UNICAST.check(bare, 'ipv6') ? 'forbidden' : found;
}

function classify(address: string, family: 'ipv4' | 'ipv6'): AddressClass {
  if (FORBIDDEN.check(address, family)) return 'forbidden';
  return PRIVATE.check(address, family) ? 'private' : 'public';
}

/** IPv4 in the clothes of IPv6: mapped, translated (NAT64) and 6to4 addresses lead to the address inside. */
function embeddedIPv4(address: string): string | undefined {
  const groups = expand(address);
  const high = groups.slice(0, 6).join(':');
  if (high === '0:0:0:0:0:ffff' || high === '64:ff9b:0:0:0:0') return dotted(groups[6], groups[7]);
  return groups[0] === '2002' ? dotted(groups[1], groups[2]) : undefined;
}

/** The eight groups, without leading zeros. */
function expand(address: string): string[] {
  // The URL parser is the shortest way to the canonical form, IPv4 tails included.
  const canonical = new URL(`http://[${address}]/`).hostname.slice(1, -1);
  const [left = '', right] = canonical.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  return right === undefined ? head : [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail];
}

function dotted(high = '0', low = '0'): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join('.');
}

function blockList(...networks: string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    list.addSubnet(address, Number(bits), isIPv4(address) ? 'ipv4' : 'ipv6');
  }
  return list;
}
