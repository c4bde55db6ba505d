import type { ContentItem } from '../../../core/backup/copy.ts';
import type { ItemText } from '../contents-text.ts';

// A line of a list of what was described: the fingerprint of a thing, a space, and what it is, as the list of contents has it. A tree
// has as many lines as things, so they are put together and taken apart as text: as objects they would take twice the time.

const STRING = String.raw`"(?:[^"\\]|\\.)*"`;
const LINE = new RegExp(
  String.raw`^(\S+) \{"name":(${STRING}),"count":(\d+),"checksum":(null|"[^"\\]*")(?:,"attributes":(${STRING}))?\}$`,
);

export function described(print: string, item: ContentItem): string {
  return `${print} ${JSON.stringify(item)}`;
}

/** Whether it says of a thing, as it is now, what its bytes are. */
export function tells(line: string, print: string, path: string, bytes: number): boolean {
  return line.startsWith(`${print} {"name":${JSON.stringify(path)},"count":${bytes},"checksum":"`);
}

export interface Described {
  readonly print: string;
  readonly path: string;
  readonly item: ItemText;
}

/** Undefined where it is no such line. */
export function parseDescribed(line: string): Described | undefined {
  const [, print, name, count, checksum, attributes] = LINE.exec(line) ?? [];
  if (print === undefined || name === undefined || count === undefined || checksum === undefined) return undefined;
  return { print, path: pathOf(name), item: { name, count, checksum, attributes } };
}

function pathOf(name: string): string {
  return name.includes('\\') ? (JSON.parse(name) as string) : name.slice(1, -1);
}
