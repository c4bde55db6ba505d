const FIELDS = [
  { name: 'second', from: 0, to: 59 },
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day', from: 1, to: 31 },
  {
    name: 'month',
    from: 1,
    to: 12,
    names: ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'],
  },
  { name: 'weekday', from: 0, to: 7, names: ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'] },
] as const;
const WORDS = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@hourly'];
const LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** What is wrong with a cron expression, where, and what was expected; undefined where it can be read and can come. */
export function cronProblem(text: string): string | undefined {
  if (text.trim().startsWith('@'))
    return WORDS.includes(text.trim().toLowerCase()) ? undefined : `expected one of ${WORDS.join(', ')}`;
  const words = [...text.matchAll(/\S+/g)];
  if (words.length < 5 || words.length > 6)
    return `expected five fields (minute hour day month weekday) or six (second first), and there are ${words.length}`;
  const fields = FIELDS.slice(FIELDS.length - words.length);
  for (const [index, field] of fields.entries()) {
    const word = words[index];
    for (const part of word?.[0].split(',') ?? []) {
      if (!isPart(part, field))
        return `expected ${field.name === 'second' ? 'a' : 'the'} ${field.name} at position ${(word?.index ?? 0) + 1}, from ${field.from} to ${field.to}, and found '${part}'`;
    }
  }
  const [day = '*', month = '*', weekday = '*'] = words.slice(-3).map(([word]) => word);
  return weekday === '*' && neverComes(day, month) ? `no month that it names has a day ${day}` : undefined;
}

function isPart(part: string, field: (typeof FIELDS)[number]): boolean {
  const [range = '', step, ...rest] = part.split('/');
  if (rest.length > 0 || (step !== undefined && !(/^\d{1,4}$/.test(step) && Number(step) > 0))) return false;
  if (range === '*' || range === '?') return true;
  if (field.name === 'day' && /^(L|LW|L-\d{1,2}|\d{1,2}W)$/i.test(range)) return true;
  const plain = field.name === 'weekday' ? range.replace(/^\+|(#([1-5]|L)|L)$/gi, '') : range;
  if (field.name === 'weekday' && plain === '') return /^L$/i.test(range);
  const ends = plain.split('-').map((end) => valueOf(end, field));
  return ends.length <= 2 && ends.every((end) => end !== undefined);
}

function valueOf(text: string, field: (typeof FIELDS)[number]): number | undefined {
  if ('names' in field) {
    const at = (field.names as readonly string[]).indexOf(text.toUpperCase());
    if (at >= 0) return at + field.from;
  }
  if (!/^\d{1,2}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= field.from && value <= field.to ? value : undefined;
}

function neverComes(day: string, month: string): boolean {
  const values = (text: string): number[] | undefined =>
    /^[\d,]+$/.test(text) ? text.split(',').map(Number) : undefined;
  const days = values(day);
  const months = values(month);
  if (!days || !months) return false;
  return months.every((each) => days.every((one) => one > (LONGEST_MONTHS[each - 1] ?? 31)));
}
