import type { Bytes } from '../../../core/backup/store.ts';

/** More than the pipes to a program hold: what took this much has begun its work. */
const KEPT_BYTES = 1024 ** 2;

export interface Rewindable {
  /** The content from its beginning. An earlier reading gets nothing more. */
  read(): Bytes;
  /** Whether it can be read once more: not after more was read than a program takes that has not begun. */
  readonly again: boolean;
  /** Ends the content itself, which the end of a reading does not. */
  close(): void;
}

/** Content that flows into a program, and into a second one where the first ended before it had begun. */
export function rewindable(content: Bytes): Rewindable {
  const source = content[Symbol.asyncIterator]();
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  let newest = 0;
  /** Asked for by a reading that may have been left since: whoever reads now waits for the same. */
  let next: Promise<IteratorResult<Uint8Array>> | undefined;

  const isShort = (): boolean => keptBytes <= KEPT_BYTES;

  async function pull(): Promise<IteratorResult<Uint8Array>> {
    const result = await source.next();
    if (!result.done && isShort()) {
      kept.push(result.value);
      keptBytes += result.value.length;
    }
    // One that broke off stays as it is: whoever reads it anew may not take that for its end.
    next = undefined;
    return result;
  }

  return {
    get again() {
      return isShort();
    },
    async *read() {
      newest += 1;
      const mine = newest;
      for (let at = 0; ; at += 1) {
        if (mine !== newest) return;
        const chunk = kept[at];
        if (chunk) {
          yield chunk;
          continue;
        }
        next ??= pull();
        const result = await next;
        if (result.done === true || mine !== newest) return;
        yield result.value;
      }
    },
    close() {
      void source.return?.()?.catch(() => undefined);
    },
  };
}
