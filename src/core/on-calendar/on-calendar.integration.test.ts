import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasProgram } from '../../testing/world/start-program.ts';
import { clockChanges, instantsOf, wallClock } from '../zone.ts';
import { nextOnCalendar } from './next.ts';
import { parseCalendar } from './parse.ts';
import { calendarText } from './text.ts';

const run = promisify(execFile);
const EXPRESSIONS = 300;
const TOGETHER = 5;
const ITERATIONS = 5;
const HOUR_MS = 3_600_000;
const ZONES = [
  'America/New_York',
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'Africa/Cairo',
  'Asia/Beirut',
  'Asia/Kolkata',
  'Pacific/Chatham',
  'UTC',
];

interface Answer {
  readonly normal: string;
  readonly instants: readonly string[];
}

/** What the real program says of expressions from one instant on: nothing of what it refuses, 'gives up' where it says that of itself. */
async function systemd(expressions: readonly string[], base: number): Promise<(Answer | undefined | 'gives up')[]> {
  const args = ['calendar', `--iterations=${ITERATIONS}`, `--base-time=${shown(base)}`, ...expressions];
  const env = { ...process.env, TZ: 'UTC', LC_ALL: 'C', SYSTEMD_COLORS: '0' };
  const { stdout, stderr } = await run('systemd-analyze', args, { env }).catch(
    (thrown: { stdout: string; stderr: string }) => thrown,
  );
  if (stderr.includes('Resource deadlock avoided')) {
    if (expressions.length === 1) return ['gives up'];
    // It does not say of which.
    return (await Promise.all(expressions.map((each) => systemd([each], base)))).flat();
  }
  if (stderr !== '') expect(stderr).toMatch(/^((Failed to parse|.*Invalid argument).*\n)+$/);
  // One after the other, each ended by an empty line; of what it refuses there is nothing but that.
  const said: string[][] = [[]];
  for (const line of stdout.split('\n').slice(0, -1)) {
    if (line === '') said.push([]);
    else said.at(-1)?.push(line);
  }
  expect(said, expressions.join('; ')).toHaveLength(expressions.length);
  return expressions.map((expression, index) => {
    const text = said[index]?.join('\n') ?? '';
    if (text === '') return undefined;
    const normal = /Normalized form: (.*)/.exec(text)?.[1] ?? expression;
    const instants = [...text.matchAll(/(?:Next elapse|Iter\. #\d+): \w+ (.* UTC)$/gm)];
    return { normal, instants: instants.map(([, instant = '']) => instant) };
  });
}

async function instantsOfSystemd(expression: string, base: number): Promise<readonly string[]> {
  const [answer] = await systemd([expression], base);
  if (answer === undefined || answer === 'gives up') throw new Error(`systemd does not answer for '${expression}'`);
  return answer.instants;
}

function ours(expression: string, base: number): Answer | undefined {
  let spec: ReturnType<typeof parseCalendar>;
  try {
    spec = parseCalendar(expression);
  } catch {
    return undefined;
  }
  const instants: string[] = [];
  let at: number | undefined = base;
  while (instants.length < ITERATIONS) {
    at = nextOnCalendar(spec, at, spec.zone ?? 'UTC');
    if (at === undefined) break;
    instants.push(shown(at));
  }
  return { normal: calendarText(spec), instants };
}

const shown = (instant: number): string => `${new Date(instant).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

/** What only we know of, where it is in the first minute of an hour. */
function leftOut(theirs: Answer, answer: Answer): string[] {
  return answer.instants.filter((instant) => /:00:\d\d UTC$/.test(instant) && !theirs.instants.includes(instant));
}

/** Whether clocks show this time for the second time. */
function isRepeated(instant: number, zone: string): boolean {
  return instantsOf(wallClock(instant, zone), zone)[1] === instant;
}

const number = (min: number, max: number): fc.Arbitrary<string> => fc.integer({ min, max }).map(String);
const member = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 5, arbitrary: number(min, max) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.integer({ min, max }), fc.integer({ min, max }))
        .map(([a, b]) => `${Math.min(a, b)}..${Math.max(a, b)}`),
    },
    {
      weight: 2,
      arbitrary: fc.tuple(number(min, max), number(1, Math.ceil((max - min) / 2))).map((two) => two.join('/')),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min, max }), fc.integer({ min, max }), number(1, 5))
        .map(([a, b, step]) => `${Math.min(a, b)}..${Math.max(a, b)}/${step}`),
    },
  );
const field = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant('*') },
    { weight: 4, arbitrary: fc.array(member(min, max), { minLength: 1, maxLength: 3 }).map((all) => all.join(',')) },
  );
const second = fc.oneof(field(0, 59), fc.constantFrom('0.5', '0/0.25', '10.25..20', '59.999', '3/12.5'));
const days = ['Mon', 'tue', 'Wednesday', 'Thu', 'FRI', 'Sat', 'Sunday'];
const weekdays = fc.oneof(
  fc.subarray(days, { minLength: 1, maxLength: 3 }).map((some) => some.join(',')),
  fc.tuple(fc.nat(6), fc.nat(6)).map(([a, b]) => `${days[Math.min(a, b)]}..${days[Math.max(a, b)]}`),
);
const date = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(field(1, 12), field(1, 31)).map(([month, day]) => `*-${month}-${day}`) },
  { weight: 3, arbitrary: fc.tuple(field(1, 12), field(1, 28)).map(([month, day]) => `*-${month}~${day}`) },
  { weight: 2, arbitrary: fc.tuple(field(2026, 2034), field(1, 12), field(1, 31)).map((all) => all.join('-')) },
  { weight: 1, arbitrary: fc.tuple(field(1, 12), number(1, 31)).map((all) => all.join('-')) },
  { weight: 1, arbitrary: fc.tuple(number(26, 99), number(1, 12), number(1, 31)).map((all) => all.join('-')) },
);
const time = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(field(0, 23), field(0, 59)).map((all) => all.join(':')) },
  { weight: 3, arbitrary: fc.tuple(field(0, 23), field(0, 59), second).map((all) => all.join(':')) },
  // Around the times at which clocks are set.
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('0', '1', '2', '3', '*', '0..3'), fc.constantFrom('0', '15', '30', '45', '0/20'))
      .map((all) => all.join(':')),
  },
);
const words = fc.constantFrom(
  'minutely',
  'hourly',
  'Daily',
  'weekly',
  'monthly',
  'quarterly',
  'yearly',
  'semiannually',
  '@1893456000',
);
const expression = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.option(weekdays, { freq: 2 }), fc.option(date, { freq: 4 }), fc.option(time, { freq: 6 }))
      .map((parts) => parts.filter((part) => part !== null).join(' ')),
  },
  { weight: 1, arbitrary: words },
);

const zone = fc.constantFrom(...ZONES);
const anyTime = fc.integer({ min: Date.UTC(2026, 0, 1) / 1_000, max: Date.UTC(2030, 0, 1) / 1_000 });
/** Expressions that are asked about at one instant, which one call of the program answers. */
const questions = fc
  .tuple(
    fc.array(expression, { minLength: TOGETHER, maxLength: TOGETHER }),
    zone,
    anyTime,
    fc.boolean(),
    fc.integer({ min: -3 * 3_600, max: 3_600 }),
  )
  .map(([texts, zoneName, moment, nearChange, off]) => {
    const [change] = nearChange ? clockChanges(moment * 1_000, (moment + 366 * 86_400) * 1_000, zoneName) : [];
    const base = change ? change.at + off * 1_000 : moment * 1_000;
    return {
      texts: texts.map((text) => (text.startsWith('@') ? text : `${text} ${zoneName}`.trim())),
      zone: zoneName,
      base,
    };
  });

describe.skipIf(!hasProgram('systemd-analyze'))('calendar expressions beside systemd-analyze', () => {
  it(`says the same of ${EXPRESSIONS} generated expressions: normal form, instants, and what is refused`, async () => {
    const asked = fc.sample(questions, { seed: 20_261_129, numRuns: EXPRESSIONS / TOGETHER });
    const answers = asked.map(async ({ texts, zone: zoneName, base }) => {
      const said = await systemd(texts, base);
      return texts.map((text, index) => ({ text, zone: zoneName, base, theirs: said[index] }));
    });
    const counted = {
      same: 0,
      refusedByBoth: 0,
      repeatedHour: 0,
      listFromMonthsEnd: 0,
      turnOfHour: 0,
      systemdGaveUp: 0,
    };
    for (const { text, zone: zoneName, base, theirs } of (await Promise.all(answers)).flat()) {
      const answer = ours(text, base);
      const fromEnd = /~([^ ]*,[^ ]*)/.exec(text)?.[1]?.split(',');
      const what = `${text} after ${shown(base)}`;
      if (theirs === 'gives up') {
        // Close to where clocks go forward it says "Resource deadlock avoided"; asked right before, it agrees.
        for (const instant of answer?.instants ?? []) {
          const [next] = await instantsOfSystemd(text, Date.parse(instant) - 1_000);
          expect(next, what).toBe(instant);
        }
        counted.systemdGaveUp += 1;
      } else if (theirs === undefined && answer !== undefined && fromEnd) {
        // In a list of days from the end each member may be three lower than the one before it at most 28 from the
        // end; that is an oversight there. Each member for itself is understood, and the list means all of them.
        const alone = await Promise.all(
          fromEnd.map((day) => instantsOfSystemd(text.replace(/~[^ ]*/, `~${day}`), base)),
        );
        expect(answer.instants, what).toEqual([...new Set(alone.flat())].toSorted().slice(0, ITERATIONS));
        counted.listFromMonthsEnd += 1;
      } else if (theirs === undefined || answer === undefined) {
        expect(answer, what).toEqual(theirs);
        counted.refusedByBoth += 1;
      } else if (isRepeated(base, zoneName)) {
        // Asked within the repeated hour, systemd begins with what is left of it; asked before it, it leaves it out.
        // Here an instant does not depend on when one asks: it is what systemd says from before that hour.
        const before = await instantsOfSystemd(text, base - 2 * HOUR_MS);
        const later = before.filter((instant) => instant > shown(base));
        expect(answer.normal, what).toBe(theirs.normal);
        expect(answer.instants.slice(0, later.length), what).toEqual(later);
        counted.repeatedHour += 1;
      } else if (leftOut(theirs, answer).length > 0) {
        // A repeated second (*:*:01/8) that runs over the hour takes the first seconds of the next one with it; that is an
        // oversight there. Asked within that minute it knows them, and they are all that is between the two.
        for (const instant of leftOut(theirs, answer)) {
          const [next] = await instantsOfSystemd(text, Date.parse(instant) - 1_000);
          expect(next, what).toBe(instant);
        }
        const missing = new Set(leftOut(theirs, answer));
        const rest = answer.instants.filter((instant) => !missing.has(instant));
        expect(rest, what).toEqual(theirs.instants.slice(0, rest.length));
        counted.turnOfHour += 1;
      } else {
        expect(answer, what).toEqual(theirs);
        counted.same += 1;
      }
    }
    expect(counted.same, JSON.stringify(counted)).toBeGreaterThanOrEqual(200);
  }, 300_000);

  it('says where an expression cannot be read, and what was expected there', () => {
    const said = (text: string): string => {
      try {
        parseCalendar(text);
        return 'nothing';
      } catch (thrown) {
        return (thrown as Error).message;
      }
    };
    expect(said('Mon..Foo 10:00')).toMatch(/position 6 \('Foo 10:00'\): expected a weekday/);
    expect(said('*/2:00')).toMatch(/position 1 .*0\/2 instead of \*\/2/);
    expect(said('*:50/30')).toMatch(/50\/30 never repeats: the minute is from 0 to 59/);
    expect(said('10:00 Europe/Berln')).toMatch(/position 7 \('Europe\/Berln'\): expected a time zone/);
    expect(said('2026-02-29-01')).toMatch(/position 11 .*expected a space, and then a time/);
    expect(said('Mon 12')).toMatch(/at its end: expected ":" and the minute/);
    expect(said('')).toMatch(/expected a date, a time or a word/);
    expect(said('*-13-01')).toMatch(/the month is from 1 to 12, and 13 is not/);
  });
});
