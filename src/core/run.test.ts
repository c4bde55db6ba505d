import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFinal, mayBecome, RunStatus } from './run.ts';

const statuses = RunStatus.options;

describe('the life of a run', () => {
  it('reaches a final state from every state', () => {
    const reaches = (from: RunStatus, seen = new Set<RunStatus>()): boolean => {
      if (isFinal(from)) return true;
      seen.add(from);
      return statuses.some((to) => mayBecome(from, to) && !seen.has(to) && reaches(to, seen));
    };

    expect(statuses.filter((status) => !reaches(status))).toEqual([]);
  });

  it('is reached from queued in every state', () => {
    const reached = new Set<RunStatus>(['queued']);
    for (const from of reached) for (const to of statuses) if (mayBecome(from, to)) reached.add(to);

    expect([...reached].toSorted()).toEqual(statuses.toSorted());
  });

  it('never leaves a final state', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...statuses),
        fc.constantFrom(...statuses),
        (from, to) => !(isFinal(from) && mayBecome(from, to)),
      ),
    );
  });

  it('does not execute without having been queued, and does not succeed out of waiting', () => {
    expect(mayBecome('waiting-approval', 'running')).toBe(false);
    expect(mayBecome('waiting-approval', 'succeeded')).toBe(false);
    expect(mayBecome('rolling-back', 'succeeded')).toBe(false);
  });
});
