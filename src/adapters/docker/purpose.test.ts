import { describe, expect, it } from 'vitest';
import { logLines } from './log-frames.ts';
import { type ContainerEvent, StopReasons, wantedByExitCode } from './purpose.ts';

function after(...events: readonly [action: string, at: number, signal?: string][]): StopReasons {
  const reasons = new StopReasons();
  for (const [action, at, signal] of events)
    reasons.note({ container: 'c', action, at, signal } satisfies ContainerEvent);
  return reasons;
}

describe('why a container ended', () => {
  it('was wanted after a signal through the API that ends programs', () => {
    expect(after(['start', 0], ['kill', 1000, '15'], ['die', 1100]).of('c', 0)).toBe(true);
    expect(after(['start', 0], ['kill', 1000, '9'], ['die', 1100]).of('c', 0)).toBe(true);
  });

  it('was not wanted after a death alone, or after a signal that means something else', () => {
    expect(after(['start', 0], ['die', 1100]).of('c', 0)).toBe(false);
    expect(after(['start', 0], ['kill', 1000, '1'], ['die', 1100]).of('c', 0)).toBe(false);
  });

  it('is not explained by a signal that was ignored an hour before', () => {
    expect(after(['start', 0], ['kill', 1000, '15'], ['die', 3_600_000]).of('c', 0)).toBe(false);
  });

  it('was wanted after docker stop, however long its grace was', () => {
    expect(after(['start', 0], ['kill', 1000, '15'], ['die', 600_000], ['stop', 600_001]).of('c', 0)).toBe(true);
  });

  it('is forgotten with the next start', () => {
    expect(after(['kill', 1, '15'], ['die', 2], ['stop', 3], ['start', 1000], ['die', 9000]).of('c', 1000)).toBe(false);
  });

  it('is not known for another death than the one that was seen', () => {
    expect(after(['start', 0], ['die', 1000]).of('c', 1200)).toBeUndefined();
    expect(new StopReasons().of('c', 1)).toBeUndefined();
    expect(after(['die', 1000], ['destroy', 2000]).of('c', 0)).toBeUndefined();
  });

  it("was nobody's wish where Steward stopped it and could not start it", () => {
    const reasons = after(['start', 0]);

    reasons.forgive('c', 1100);
    for (const action of ['die', 'stop']) reasons.note({ container: 'c', action, at: 1101, signal: undefined });

    expect(reasons.of('c', 0)).toBe(false);
  });

  it.each([
    [0, false, true],
    [143, false, true],
    [130, false, true],
    [137, false, false],
    [137, true, false],
    [1, false, false],
  ])('by exit code %i, out of memory %s: %s', (exitCode, oomKilled, wanted) => {
    expect(wantedByExitCode(exitCode, oomKilled)).toBe(wanted);
  });
});

describe('log frames', () => {
  const frame = (stream: number, text: string) => {
    const header = Buffer.alloc(8);
    header[0] = stream;
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };

  it('joins a line that came in two frames', () => {
    expect(logLines(Buffer.concat([frame(1, 'half '), frame(1, 'line\n'), frame(2, 'ä error\n')]), false)).toEqual([
      'half line',
      'ä error',
    ]);
  });

  it('keeps what there is of a frame that was cut', () => {
    expect(logLines(frame(1, 'whole\nbroken').subarray(0, 15), false)).toEqual(['whole', 'b']);
  });
});
