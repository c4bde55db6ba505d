/** As PostgreSQL takes it: neither a NUL nor half a surrogate pair, and programs print both. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\u{fffd}');
}
