import { type CalendarSpec, type Chain, MICRO, WEEKDAYS } from './spec.ts';

/** The normal form of an expression: two that mean the same in the same words have the same one. */
export function calendarText({
  weekdays,
  year,
  month,
  day,
  fromEnd,
  hour,
  minute,
  second,
  zone,
}: CalendarSpec): string {
  const date = `${chainText(year, 4)}-${chainText(month, 2)}${fromEnd ? '~' : '-'}${chainText(day, 2)}`;
  const everySecond = second?.some(({ start, stop, repeat }) => start === 0 && stop === undefined && repeat === MICRO);
  const time = [chainText(hour, 2), chainText(minute, 2), everySecond ? '*' : chainText(second, 2, MICRO)].join(':');
  return [...(weekdays ? [weekdaysText(weekdays)] : []), date, time, ...(zone === undefined ? [] : [zone])].join(' ');
}

function chainText(chain: Chain, width: number, unit = 1): string {
  if (!chain) return '*';
  const number = (value: number, digits: number): string => {
    const part = value % unit;
    return `${String(Math.floor(value / unit)).padStart(digits, '0')}${part > 0 ? `.${String(part).padStart(6, '0')}` : ''}`;
  };
  return chain
    .map(({ start, stop = 0, repeat = 0 }) => {
      const range = stop > 0 ? `..${number(stop, width)}` : '';
      const step = repeat > 0 && !(stop > 0 && repeat === unit) ? `/${number(repeat, 1)}` : '';
      return number(start, width) + range + step;
    })
    .join(',');
}

function weekdaysText(days: readonly boolean[]): string {
  const parts: string[] = [];
  for (let first = 0; first < days.length; first += 1) {
    if (!days[first]) continue;
    let last = first;
    while (days[last + 1]) last += 1;
    const [from, to] = [WEEKDAYS[first] ?? '', WEEKDAYS[last] ?? ''];
    parts.push(first === last ? from : `${from}${last > first + 1 ? '..' : ','}${to}`);
    first = last;
  }
  return parts.join(',');
}
