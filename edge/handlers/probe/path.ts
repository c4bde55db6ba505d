import { isNameFailure, type Quorum } from './quorum.ts';

/** Where on the way it fails. */
export interface PathVerdict {
  readonly where: 'dns' | 'uplink' | 'host' | 'region' | 'unsure';
  readonly sentence: string;
}

/** From who reaches it and who does not, what is broken; nothing where nobody fails, or nobody else looks. */
export function pathVerdict(
  { down, up, silent, need }: Pick<Quorum, 'down' | 'up' | 'silent' | 'need'>,
  host: string,
): PathVerdict | undefined {
  if (down.length === 0 || down.length + up.length + silent.length < 2) return undefined;
  if (up.length === 0) return reachedByNobody(down, silent, need, host);
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

/** What only some can say is no ground to lay hands on what runs there. */
function reachedByNobody(down: Quorum['down'], silent: Quorum['silent'], need: number, host: string): PathVerdict {
  const failing = list(down.map(({ place }) => place));
  const others = list(silent.map(({ place }) => place));
  if (down.length === 1)
    return down.every(({ here }) => here)
      ? { where: 'uplink', sentence: `Perhaps only this host's uplink: nobody else has a say (${others}).` }
      : { where: 'region', sentence: `Not from ${failing}, and nobody else has a say (${others}).` };
  if (down.length < need)
    return { where: 'unsure', sentence: `Not from ${failing}, and too few others have a say (${others}).` };
  return down.every(isNameFailure)
    ? { where: 'dns', sentence: `DNS of ${host} fails everywhere.` }
    : { where: 'host', sentence: `The host ${host}: nobody reaches it.` };
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
