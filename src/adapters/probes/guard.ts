import { isIP } from 'node:net';
import type { CheckTarget } from '../../core/check.ts';
import type { Lookup } from './names.ts';

/** Whether a prober may go to an address at all. */
export type MayGoTo = (address: string) => boolean;

/** As a code of the system, which is how failures to connect are known; see network-failure.ts. */
export const KEPT_AWAY = 'STEWARD_KEPT_AWAY';

export function keptAway(address: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${address} is asked by nobody`), { code: KEPT_AWAY });
}

/** Gives only addresses one may go to. What is connected to is what was looked at: no second answer comes in between. */
export function guardNames(names: Lookup, mayGoTo: MayGoTo): Lookup {
  return (hostname, options, callback) =>
    names(hostname, options, (error, address, family) => {
      if (error) return callback(error, address, family);
      const wrong = [address].flat().find((one) => !mayGoTo(typeof one === 'string' ? one : one.address));
      if (wrong) return callback(keptAway(hostname), []);
      callback(null, address, family);
    });
}

/** Whether a host that is an address, which nobody looks up, may be gone to. */
export function mayGoToHost(host: string | undefined, mayGoTo: MayGoTo): boolean {
  const bare = host?.replace(/^\[(.*)\]$/, '$1') ?? '';
  return isIP(bare) === 0 || mayGoTo(bare);
}

export function hostOf(target: CheckTarget): string | undefined {
  if (target.kind === 'dns') return target.server;
  if (target.kind === 'http') return URL.parse(target.url)?.hostname;
  return 'host' in target ? target.host : undefined;
}
