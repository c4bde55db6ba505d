/** A name of many parts, as people and excludes write it; what could be mistaken for another is quoted. */
export function dotted(...parts: readonly string[]): string {
  return parts.map((part) => (/^[\w$-]+$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`)).join('.');
}

/** What a database is called among the files of a copy: whatever it is called, a name that leads nowhere else. */
export function fileNameOf(database: string): string {
  const plain = encodeURIComponent(database).replaceAll(/[!'()*~]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
  return plain.replace(/^\./, '%2e');
}

/** `shop_before_20261129_201500_123`: what was there before a restore and no other, within what a name of the server may have. */
export function beforeName(database: string, now: Date, most: number): string {
  const stamp = now.toISOString().replaceAll(/[-:Z]/g, '').replaceAll(/[T.]/g, '_');
  let name = database;
  while (Buffer.byteLength(name) > most - '_before_'.length - stamp.length) name = name.replace(/.$/su, '');
  return `${name}_before_${stamp}`;
}
