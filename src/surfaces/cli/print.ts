import { colorOf, inert, type Paint, plain, type Terminal } from './terminal.ts';

type Row = Readonly<Record<string, unknown>>;

const WIDEST = 60;
const MOST_COLUMNS = 7;

/** The rows that a list or a page of a list carries; undefined where the answer is one thing. */
export function rowsOf(answer: unknown): readonly unknown[] | undefined {
  if (Array.isArray(answer)) return answer as unknown[];
  const items = isRow(answer) ? answer['items'] : undefined;
  return Array.isArray(items) ? (items as unknown[]) : undefined;
}

/** An answer for people: a table for a list, lines for one thing. */
export function printAnswer(
  answer: unknown,
  columns: readonly string[] | undefined,
  out: Terminal,
  paint: Paint,
): void {
  const rows = rowsOf(answer);
  if (rows) {
    if (rows.length === 0) out.write('None.\n');
    else if (rows.every(isRow)) printTable(rows, columns ?? columnsOf(rows), out, paint);
    else for (const row of rows) out.write(`${cell(row)}\n`);
    return;
  }
  const text = wholeText(answer);
  if (text !== undefined) out.write(text.endsWith('\n') ? text : `${text}\n`);
  else if (isRow(answer)) printMembers(answer, '', out, paint);
  else if (answer !== undefined && answer !== null) out.write(`${cell(answer)}\n`);
}

/** An answer that is one text of several lines, for a file: shown as it is. */
function wholeText(answer: unknown): string | undefined {
  const [value, ...others] = isRow(answer) ? Object.values(answer) : [];
  return typeof value === 'string' && value.includes('\n') && others.length === 0
    ? value.split('\n').map(inert).join('\n')
    : undefined;
}

function printTable(rows: readonly Row[], columns: readonly string[], out: Terminal, paint: Paint, indent = ''): void {
  const texts = rows.map((row) => columns.map((column) => cell(member(row, column))));
  const titles = columns.map(titleOf);
  const widths = fitting(
    titles.map((title, index) => Math.max(title.length, ...texts.map((line) => line[index]?.length ?? 0))),
    columns,
    out.isTTY ? (out.columns ?? 120) - indent.length : undefined,
  );
  const line = (cells: readonly string[], color?: (text: string) => string): string =>
    `${indent}${cells
      .map((text, index) => paddedTo(text, widths[index] ?? 0, color))
      .join('  ')
      .trimEnd()}\n`;
  out.write(line(titles, (text) => paint(text, 'bold')));
  for (const text of texts) {
    out.write(
      line(text, (word) => {
        const color = colorOf(word.trim());
        return color ? paint(word, color) : word;
      }),
    );
  }
}

function paddedTo(text: string, width: number, color: ((text: string) => string) | undefined): string {
  const cut = text.length > width ? `${text.slice(0, Math.max(width - 1, 1))}…` : text;
  return (color?.(cut) ?? cut) + ' '.repeat(Math.max(0, width - cut.length));
}

/** Widths that fit the terminal: the widest column gives first, and an id never, because it is there to be copied. */
function fitting(wanted: readonly number[], columns: readonly string[], available: number | undefined): number[] {
  const whole = columns.map((column) => column === 'id' || column.endsWith('Id'));
  const widths = wanted.map((width, index) =>
    available === undefined || whole[index] ? width : Math.min(width, WIDEST),
  );
  if (available === undefined) return widths;
  const gaps = 2 * (widths.length - 1);
  while (widths.reduce((sum, width) => sum + width, gaps) > available) {
    const widest = Math.max(0, ...widths.filter((_, index) => !whole[index]));
    if (widest <= 8) break;
    widths[widths.findIndex((width, index) => width === widest && !whole[index])] = widest - 1;
  }
  return widths;
}

/** Whether each row can stand on one line with nothing of it cut off. */
function fits(rows: readonly Row[], columns: readonly string[], available: number): boolean {
  const width = (column: string): number =>
    Math.max(titleOf(column).length, ...rows.map((row) => cell(member(row, column)).length));
  return columns.reduce((sum, column) => sum + width(column) + 2, 0) <= available;
}

/** The members of one thing, a line each; what they consist of goes below them. */
export function printMembers(row: Row, indent: string, out: Terminal, paint: Paint): void {
  for (const [name, value] of Object.entries(row)) {
    if (value === undefined) continue;
    const title = `${indent}${titleOf(name)}`;
    if (isRow(value) && Object.keys(value).length > 0) {
      out.write(`${paint(title, 'bold')}\n`);
      printMembers(value, `${indent}  `, out, paint);
    } else if (Array.isArray(value) && value.length > 0 && value.every(isRow)) {
      out.write(`${paint(title, 'bold')}\n`);
      const columns = namesOf(value);
      const available = out.isTTY ? (out.columns ?? 120) : Number.POSITIVE_INFINITY;
      if (columns.length > 0 && fits(value, columns, available - indent.length - 2))
        printTable(value, columns, out, paint, `${indent}  `);
      else for (const item of value) out.write(`${indent}  - ${summary(item)}\n`);
    } else if (Array.isArray(value) && value.some((each) => typeof each === 'string' && each.endsWith('.'))) {
      out.write(`${paint(title, 'bold')}\n`);
      for (const sentence of value) out.write(`${indent}  ${cell(sentence)}\n`);
    } else {
      const text = cell(value);
      const color = colorOf(text);
      out.write(`${title}: ${color ? paint(text, color) : text}\n`);
    }
  }
}

function summary(row: Row): string {
  const members = Object.entries(row).filter(
    ([, value]) => value !== undefined && value !== null && typeof value !== 'object',
  );
  return members.map(([name, value]) => `${titleOf(name)} ${cell(value)}`).join(', ');
}

function columnsOf(rows: readonly Row[]): string[] {
  return namesOf(rows).slice(0, MOST_COLUMNS);
}

function namesOf(rows: readonly Row[]): string[] {
  const names = new Set(
    rows.flatMap((row) =>
      Object.entries(row)
        .filter(([, value]) => value !== undefined && typeof value !== 'object')
        .map(([name]) => name),
    ),
  );
  return [...names];
}

function member(row: Row, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (isRow(value) ? value[name] : undefined), row);
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

function cell(value: unknown): string {
  if (value === undefined || value === null) return '-';
  if (typeof value === 'string')
    return plain(INSTANT.test(value) ? value.replace('T', ' ').replace(/(\.\d+)?Z$/, '') : value);
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : String(Math.round(value * 100) / 100);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(', ');
  if (isRow(value)) {
    const members = Object.entries(value).filter(([, each]) => each !== undefined);
    return members.length === 0 ? '-' : members.map(([name, each]) => `${plain(name)}=${cell(each)}`).join(', ');
  }
  return plain(JSON.stringify(value));
}

/** `lastUsedAt` → `last used at`, `actor.name` → `actor`. */
function titleOf(path: string): string {
  const name = path.endsWith('.name') || path.endsWith('.id') ? path.slice(0, path.lastIndexOf('.')) : path;
  return plain(
    name
      .replaceAll(/([a-z\d])([A-Z])/g, '$1 $2')
      .replaceAll(/[._]/g, ' ')
      .toLowerCase(),
  );
}

function isRow(value: unknown): value is Row {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
