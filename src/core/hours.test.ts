import { describe, expect, it } from 'vitest';
import { Hours, hoursEnd } from './hours.ts';

const night = Hours.parse({ from: '22:00', until: '07:00', zone: 'Europe/Berlin' });
const at = (text: string) => new Date(text);

describe('hours of the day', () => {
  it('go over midnight, in their own time zone', () => {
    expect(hoursEnd(night, at('2026-07-01T19:59:59Z'))).toBeUndefined();
    expect(hoursEnd(night, at('2026-07-01T20:00:00Z'))).toEqual(at('2026-07-02T05:00:00Z'));
    expect(hoursEnd(night, at('2026-07-02T04:59:59Z'))).toEqual(at('2026-07-02T05:00:00Z'));
    expect(hoursEnd(night, at('2026-07-02T05:00:00Z'))).toBeUndefined();
  });

  it('belong to the day on which they begin', () => {
    const friday = Hours.parse({ days: ['fri'], from: '22:00', until: '07:00' });
    expect(hoursEnd(friday, at('2026-07-03T23:00:00Z'))).toEqual(at('2026-07-04T07:00:00Z'));
    expect(hoursEnd(friday, at('2026-07-04T06:00:00Z'))).toEqual(at('2026-07-04T07:00:00Z'));
    expect(hoursEnd(friday, at('2026-07-04T23:00:00Z'))).toBeUndefined();
    expect(hoursEnd(friday, at('2026-07-03T06:00:00Z'))).toBeUndefined();
  });

  it('end by the clock on the wall where it is set within them', () => {
    expect(hoursEnd(night, at('2026-03-28T22:00:00Z'))).toEqual(at('2026-03-29T05:00:00Z'));
    expect(hoursEnd(night, at('2026-10-24T21:00:00Z'))).toEqual(at('2026-10-25T06:00:00Z'));
    const skipped = Hours.parse({ from: '00:00', until: '02:30', zone: 'Europe/Berlin' });
    expect(hoursEnd(skipped, at('2026-03-29T00:30:00Z'))).toEqual(at('2026-03-29T01:00:00Z'));
  });

  it('may be a whole day', () => {
    const sunday = Hours.parse({ days: ['sun'], from: '00:00', until: '24:00' });
    expect(hoursEnd(sunday, at('2026-07-05T12:00:00Z'))).toEqual(at('2026-07-06T00:00:00Z'));
    expect(hoursEnd(sunday, at('2026-07-06T00:00:00Z'))).toBeUndefined();
    expect(hoursEnd(Hours.parse({ from: '08:00', until: '08:00' }), at('2026-07-06T03:00:00Z'))).toEqual(
      at('2026-07-06T08:00:00Z'),
    );
  });

  it.each([
    [{ from: '7:00', until: '08:00' }, 'expected a time of day such as "22:00"'],
    [{ from: '24:00', until: '08:00' }, 'expected a time of day such as "22:00"'],
    [{ from: '07:00', until: '08:00', zone: 'Europe/Nowhere' }, 'expected a time zone such as Europe/Berlin'],
  ])('%j is refused', (input, message) => {
    expect(Hours.safeParse(input).error?.issues[0]?.message).toBe(message);
  });
});
