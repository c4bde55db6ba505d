import { describe, expect, it } from 'vitest';
import type { Recognition } from '../../core/recognizer.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakeProcesses } from '../../testing/fakes/fake-processes.ts';
import type { Identified } from './match.ts';
import type { Observation } from './observe.ts';
import { recognize } from './recognize.ts';

const START = Date.parse('2026-11-20T12:00:00Z');
const MINUTE = 60_000;

/** One service with one port, scanned again and again. */
async function scans(
  answers: Recognition['answer'],
  options: { visible?: boolean } = {},
): Promise<(at: number) => Promise<number>> {
  let clock = START;
  let asked = 0;
  let last: Identified | undefined;
  const process = fakeProcesses({ now: () => new Date(START) }).start(['app']);
  const root = options.visible === false ? undefined : process;
  const observation: Observation = {
    base: 'app',
    root,
    signature: undefined,
    pids: [],
    endpoints: [],
    reachable: [{ address: '127.0.0.1', port: 80 }],
    unit: undefined,
    container: undefined,
    foreign: undefined,
  };
  const recognizer = {
    async look(): Promise<Recognition> {
      asked += 1;
      return { answer: answers, sightings: [] };
    },
    app: async () => undefined,
    programVersion: async () => undefined,
  };
  return async (at) => {
    clock = START + at;
    const known = last && {
      resource: aResource({ id: 'svc_1', firstSeen: new Date(START) }),
      trace: JSON.parse(
        JSON.stringify({ process: `${process.pid}:${process.startTicks}`, ...last, looks: last.looks }),
      ),
      missedScans: 0,
      missingSince: undefined,
    };
    const before = asked;
    const signal = new AbortController().signal;
    last = await recognize({ observation, known }, { recognizer, now: () => new Date(clock), signal });
    return asked - before;
  };
}

describe('a port', () => {
  it('that spoke is not asked again as long as the same process holds it', async () => {
    const scan = await scans('spoke');

    expect([await scan(0), await scan(MINUTE), await scan(1_000 * MINUTE)]).toEqual([1, 0, 0]);
  });

  it('that said nothing is asked again while its process may still be starting, but not in the same breath', async () => {
    const scan = await scans('silent');

    expect([
      await scan(0),
      await scan(1_000),
      await scan(MINUTE),
      await scan(3 * MINUTE),
      await scan(99 * MINUTE),
    ]).toEqual([1, 0, 1, 1, 0]);
  });

  it.each(['spoke', 'silent'] as const)(
    'of a process that cannot be seen and %s is asked again every hour: another may have come',
    async (answer) => {
      const scan = await scans(answer, { visible: false });

      expect([await scan(0), await scan(3 * MINUTE), await scan(9 * MINUTE), await scan(70 * MINUTE)]).toEqual(
        answer === 'spoke' ? [1, 0, 0, 1] : [1, 1, 0, 1],
      );
    },
  );
});
