import { isNameFailure, type Quorum } from './quorum.ts';

/** Where on the way it fails. */
export interface PathVerdict {
  readonly where: 'dns' | 'uplink' | 'host' | 'region';
  readonly sentence: string;
}

/** From who reaches it and who does not, what is broken; nothing where nobody fails, or only one was asked. */
export function pathVerdict({ down, up }: Pick<Quorum, 'down' | 'up'>, host: string): PathVerdict | undefined {
  if (down.length === 0 || down.length + up.length < 2) return undefined;
  if (up.length === 0)
    return down.every(isNameFailure)
      ? { where: 'dns', sentence: `DNS of ${host} fails everywhere.` }
      : { where: 'host', sentence: `The host ${host}: nobody reaches it.` };
  const failing = down.map(({ place }) => place);
  if (down.every(({ here }) => here))
    return { where: 'uplink', sentence: `Only this host's uplink: ${list(up.map(({ place }) => place))} reach it.` };
  if (up.every(({ here }) => here) && down.length > 1)
    return {
      where: 'uplink',
      sentence: `The way in to this host: it answers here, and nowhere else (${list(failing)}).`,
    };
  return { where: 'region', sentence: `Only from ${list(failing)}.` };
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
