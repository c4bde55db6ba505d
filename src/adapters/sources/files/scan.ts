import type { ContentItem } from '../../../core/backup/copy.ts';
import type { SourceFacts } from '../../../core/backup/reader.ts';
import { startThread } from './thread.ts';

export interface ScanJob {
  readonly roots: readonly string[];
  readonly exclude: readonly string[];
  /** Without it only attributes and lengths are told. */
  readonly hash: boolean;
  /** A folder that stands for the root: names are told from there. */
  readonly below?: string | undefined;
}

/** What the thread tells at once. */
export interface Scanned {
  readonly items: readonly ContentItem[];
  readonly leftOut: SourceFacts['leftOut'];
}

/** What is there, in the order of a walk; what was left out goes to `leftOut`. */
export async function* scan(
  job: ScanJob,
  signal: AbortSignal,
  leftOut: (what: SourceFacts['leftOut'][number]) => void = () => undefined,
): AsyncGenerator<ContentItem> {
  for await (const scanned of startThread<Scanned>('scan-thread.ts', job, signal).messages) {
    scanned.leftOut.forEach(leftOut);
    yield* scanned.items;
  }
}
