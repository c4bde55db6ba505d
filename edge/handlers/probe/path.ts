import { isNameFailure, type Quorum } from './quorum.ts';

/** Where on the way it fails. */
export interface PathVerdict {
  readonly where: 'dns' | 'uplink' | 'host' | 'region' | 'unsure';
  readonly sentence: string;
}

/** From who reaches it and who does not, what is broken; nothing where nobody fails, or nobody else looks. */
export function pathVerdict(quorum: Omit<Quorum, 'state'>, host: string): PathVerdict | undefined {
  const { down, up, silent, way } = quorum;
  const isCutOff = way === 'broken';
  if ((down.length === 0 && !isCutOff) || down.length + up.length + silent.length < 2) return undefined;
  if (up.length === 0) return down.length === 0 ? CUT_OFF : reachedByNobody(quorum, host);
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

const CUT_OFF: PathVerdict = {
  where: 'uplink',
  sentence: "This host's uplink: none of its reference points answers from here.",
};

/** What only some can say is no ground to lay hands on what runs there. */
function reachedByNobody({ down, silent, need, way }: Omit<Quorum, 'state'>, host: string): PathVerdict {
  const failing = list(down.map(({ place }) => place));
  const others = list(silent.map(({ place }) => place));
  const lapsed = silent.filter((each) => each.lapsed).map(({ place }) => place);
  const without = lapsed.length === 0 ? '' : ` Nobody waited for ${list(lapsed)}, silent past the heartbeat.`;
  // The way out of this host is known to work, and nobody is left who could say otherwise.
  const isProven = way === 'open' && silent.every((each) => each.lapsed);
  if (down.length === 1 && !(isProven && down.every(({ here }) => here)))
    return down.every(({ here }) => here)
      ? { where: 'uplink', sentence: `Perhaps only this host's uplink: nobody else has a say (${others}).` }
      : { where: 'region', sentence: `Not from ${failing}, and nobody else has a say (${others}).` };
  if (down.length < need && down.length > 1)
    return { where: 'unsure', sentence: `Not from ${failing}, and too few others have a say (${others}).` };
  return down.every(isNameFailure)
    ? { where: 'dns', sentence: `DNS of ${host} fails everywhere.${without}` }
    : { where: 'host', sentence: `The host ${host}: nobody reaches it.${without}` };
}

function list(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
