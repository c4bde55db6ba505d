import { hostname, networkInterfaces } from 'node:os';

/** By which addresses and names this machine can be meant, in files and in connections. */
export function ownAddresses(): { readonly addresses: readonly string[]; readonly names: readonly string[] } {
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const name = hostname().toLowerCase();
  return {
    addresses: interfaces.map(({ address }) => address.split('%')[0] ?? address),
    names: [...new Set([name, name.split('.')[0] ?? name])],
  };
}
