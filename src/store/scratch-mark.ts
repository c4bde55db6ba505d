import { StewardError } from '../core/errors.ts';

/** What Steward gives the user that throw-away servers run as; by all of it together it knows that user again. */
export const SCRATCH_MARK = {
  comment: 'Steward tries copies out',
  home: '/nonexistent',
  shell: '/usr/sbin/nologin',
} as const;
const FIRST_REGULAR_UID = 1_000;

/**
 * The account of a line of `getent passwd`, if Steward made it; one that is a person's or a service's is refused, for what is restored
 * brings code along that runs with its rights. `group` is the store's: by it those are known that were made before they said whose they are.
 */
export function scratchAccountIn(line: string, group: number): { readonly name: string; readonly uid: number } {
  const [name = '', , id = '', gid = '', comment = '', home = '', shell = ''] = line.trimEnd().split(':');
  const uid = Number(id);
  const system = /^\d+$/.test(id) && uid > 0 && uid < FIRST_REGULAR_UID;
  const ours = comment === SCRATCH_MARK.comment || (comment === '' && Number(gid) === group);
  const differs = [
    ...(system ? [] : [`its uid is ${id}, not that of a system user`]),
    ...(ours ? [] : [`its comment is '${comment}', not '${SCRATCH_MARK.comment}'`]),
    ...(home === SCRATCH_MARK.home ? [] : [`its home is ${home || 'not set'}, not ${SCRATCH_MARK.home}`]),
    ...(shell === SCRATCH_MARK.shell ? [] : [`its shell is ${shell || 'not set'}, not ${SCRATCH_MARK.shell}`]),
  ];
  if (differs.length === 0) return { name, uid };
  const rename = `usermod --login ANOTHER ${name}`;
  const adopt = `usermod --comment '${SCRATCH_MARK.comment}' --home ${SCRATCH_MARK.home} --shell ${SCRATCH_MARK.shell} ${name}`;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The user '${name}', as whom Steward tries copies out, is not one that Steward made: ${differs.join('; ')}.`,
    {
      hint: `Where somebody uses it, give it another name (${rename}), and Steward makes its own. ${
        system ? `Where nobody does, hand it over: ${adopt}` : `Where nobody does, remove it: userdel ${name}`
      }`,
    },
  );
}
