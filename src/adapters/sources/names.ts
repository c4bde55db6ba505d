/** A name of many parts, as people and excludes write it; what could be mistaken for another is quoted. */
export function dotted(...parts: readonly string[]): string {
  return parts.map((part) => (/^[\w$-]+$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`)).join('.');
}

/** What a database is called among the files of a copy: whatever it is called, a name that leads nowhere else. */
export function fileNameOf(database: string): string {
  const plain = encodeURIComponent(database).replaceAll(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return plain.replace(/^\./, '%2e');
}
