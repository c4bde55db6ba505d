import type { ProbeResult, TargetOf } from '../../core/check.ts';
import type { ProcessMember } from '../../core/machine-targets.ts';
import { type ProcessTable, type Trouble, fits } from './process-table.ts';
import { type ProbeOptions, answered, saw } from './result.ts';

interface MemberState {
  readonly member: ProcessMember;
  readonly pids: readonly number[];
  readonly trouble: Trouble | undefined;
  readonly state: 'runs' | 'missing' | 'too many' | 'troubled';
}

/** A service of several processes, each part counted and judged by itself. */
export function createProcessesProbe(table: ProcessTable) {
  return async ({ members, need }: TargetOf<'processes'>, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    const list = await table.list();
    const states = members.map((member): MemberState => {
      const found = list.filter((process) => fits(process, member));
      const sound = found.filter((process) => table.trouble(process) === undefined);
      const first = found.find((process) => !sound.includes(process));
      const trouble = first && table.trouble(first);
      const pids = found.map(({ pid }) => pid);
      if (sound.length < member.min) return { member, pids, trouble, state: trouble ? 'troubled' : 'missing' };
      if (member.max !== undefined && found.length > member.max) return { member, pids, trouble, state: 'too many' };
      return { member, pids, trouble: undefined, state: 'runs' };
    });
    const wrong = states.filter(({ state }) => state !== 'runs');
    const lacking = wrong.filter(({ state }) => state !== 'too many');
    const detail = Object.fromEntries(
      states.map(({ member, pids, state }) => [member.name, `${state}: ${pids.slice(0, 20).join(' ') || 'none'}`]),
    );
    if (wrong.length === 0)
      return answered(
        'presence',
        `${states.length} of ${states.length} parts run, ${states.reduce((sum, { pids }) => sum + pids.length, 0)} processes`,
        startedAt,
        options,
        detail,
      );
    const isDown = lacking.length === states.length || (need === 'all' && lacking.length > 0);
    const message = `${states.length - lacking.length} of ${states.length} parts run: ${wrong.map(describe).join('; ')}`;
    const result = saw(isDown ? 'down' : 'degraded', 'presence', message, startedAt, detail);
    // Something that is missing has to be started; only where nothing is, waking it up will do.
    const frozen = lacking.length > 0 && lacking.every(({ trouble }) => trouble?.frozen);
    return frozen ? { ...result, problem: 'process.frozen' } : result;
  };
}

function describe({ member: { name, min, max }, pids, trouble, state }: MemberState): string {
  if (state === 'too many') return `${name} has ${pids.length} processes, at most ${max} expected`;
  if (trouble) return `${name} ${trouble.message}`;
  return pids.length === 0 ? `${name} is missing` : `${name} has ${pids.length} of ${min} processes`;
}
