import type { CopyName } from '../../../core/backup/store.ts';
import { safeName } from '../../../core/backup/names.ts';

/** A file that `sha256sum -c` accepts: it skips lines that begin with #. */
export function sumsText(copy: CopyName, files: readonly { readonly file: string; readonly sha256: string }[]): string {
  const head = `# steward-copy/1 copy=${safeName(copy.id)} source=${copy.source} at=${copy.at.toISOString()}`;
  return `${[head, ...files.map(({ file, sha256 }) => `${sha256}  ${file}`)].join('\n')}\n`;
}

export interface Sums {
  readonly id: string;
  readonly source: string;
  readonly at: Date;
  readonly files: ReadonlyMap<string, string>;
}

export function parseSums(text: string): Sums | undefined {
  const [head = '', ...lines] = text.split('\n');
  const [, id, source, at] = /^# steward-copy\/1 copy=(\S+) source=(\S+) at=(\S+)$/.exec(head) ?? [];
  if (id === undefined || source === undefined || at === undefined || Number.isNaN(Date.parse(at))) return undefined;
  const files = new Map<string, string>();
  for (const line of lines) {
    const [, sha256, file] = /^([0-9a-f]{64}) {2}(.+)$/.exec(line) ?? [];
    if (sha256 !== undefined && file !== undefined) files.set(file, sha256);
  }
  return { id: decodeURIComponent(id), source, at: new Date(at), files };
}
