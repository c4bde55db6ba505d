import { expect, it } from 'vitest';
import { added, type EventTrigger } from './windows.ts';

const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 1, 12, 0, seconds));
const event = (id: number, seconds: number) => ({ id, at: at(seconds), type: 'service.down' as const, data: {} });
type Window = Parameters<typeof added>[0];

/** Events one after the other, as one who collects them sees them. */
function collected(
  trigger: Partial<EventTrigger>,
  ...events: readonly (readonly [id: number, seconds: number])[]
): Window {
  const full: EventTrigger = { kind: 'event', event: 'service.down', ...trigger };
  return events.reduce<Window>(
    (window, [id, seconds]) => added(window, full, event(id, seconds), at(seconds)) ?? window,
    undefined,
  );
}

it('with debounce is due when no further event came for that long', () => {
  expect(collected({ debounce: '30s' }, [1, 0], [2, 10], [3, 20])).toMatchObject({
    total: 3,
    due_at: at(50),
    first_at: at(0),
  });
});

it('with debounce and a limit is due by then, even though events keep coming', () => {
  expect(collected({ debounce: '30s', atMost: '40s' }, [1, 0], [2, 20], [3, 35])).toMatchObject({ due_at: at(40) });
});

it('with a count is due with the last of so many within the time, and forgets those before', () => {
  const three = { count: 3, within: '30s' } as const;
  expect(collected(three, [1, 0], [2, 10])?.due_at).toBeNull();
  expect(collected(three, [1, 0], [2, 10], [3, 20])).toMatchObject({ due_at: at(20), total: 3 });
  expect(collected(three, [1, 0], [2, 20], [3, 40])).toMatchObject({ due_at: null, total: 2 });
});

it('counts no event twice', () => {
  expect(collected({ debounce: '30s' }, [1, 0], [1, 5])).toMatchObject({ total: 1, due_at: at(30) });
});

it('takes nothing while it is to be quiet', () => {
  const window = { ...collected({ throttle: '1m' }, [1, 0]), quiet_until: at(50) } as NonNullable<Window>;
  const trigger: EventTrigger = { kind: 'event', event: 'service.down', throttle: '1m' };
  expect(added(window, trigger, event(2, 20), at(20))).toBeUndefined();
  expect(added(window, trigger, event(3, 51), at(51))).toMatchObject({ due_at: at(51) });
});

it('keeps the newest event whole', () => {
  expect(collected({ debounce: '30s' }, [1, 0], [2, 10])).toMatchObject({ last: { id: 2 } });
});
