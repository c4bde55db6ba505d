import type { Part } from '../../core/backup/copy.ts';
import type { Bytes, CopyWriter, Doing } from '../../core/backup/store.ts';
import type { ProgramRequest, ProgramResult, ProgramsPort } from '../../core/ports/programs.ts';

/** However long it takes: a large database has its own measure, and whoever waits can cancel. */
export const AS_LONG_AS_IT_TAKES_MS = 24 * 3_600_000;

/**
 * Gives back the memory of a piece that nobody looks at any more. The collector would do it some time; but it counts what lies
 * outside its heap, and comes several times a second for what flows.
 */
export function letGo({ buffer, byteOffset, byteLength }: Uint8Array): void {
  // All of it, or the end of what is too large to be shared with others.
  const own = byteLength === buffer.byteLength || buffer.byteLength > Buffer.poolSize;
  if (own && byteOffset + byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/** One at a time, in the order of asking. */
export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

export function createTurns(): Turns {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  };
}

/** Runs these beside each other; the first that fails ends the others, and is thrown when all have ended. */
export async function together<const Works extends readonly ((doing: Doing) => Promise<unknown>)[]>(
  doing: Doing,
  works: Works,
): Promise<{ -readonly [At in keyof Works]: Awaited<ReturnType<Works[At]>> }> {
  const stop = new AbortController();
  const all = { ...doing, signal: AbortSignal.any([doing.signal, stop.signal]) };
  let first: { readonly thrown: unknown } | undefined;
  const results = await Promise.all(
    works.map((work) =>
      work(all).catch((thrown: unknown) => {
        first ??= { thrown };
        stop.abort();
      }),
    ),
  );
  if (first) throw first.thrown;
  return results as { -readonly [At in keyof Works]: Awaited<ReturnType<Works[At]>> };
}

export interface DumpedPart {
  readonly result: ProgramResult;
  /** None where the program said nothing: its exit code tells why. */
  readonly part: Part | undefined;
}

/**
 * What a program writes becomes a part of the copy. It may start at once and works on while another part is written: it waits
 * for its turn when its pipe is full, so nothing piles up here.
 */
export async function dumpInto(
  programs: ProgramsPort,
  request: Omit<ProgramRequest, 'input' | 'timeoutMs'>,
  {
    writer,
    turns,
    part,
    doing,
    seen,
  }: {
    readonly writer: CopyWriter;
    readonly turns: Turns;
    readonly part: Pick<Part, 'name' | 'kind' | 'database'>;
    readonly doing: Doing;
    /** Told of all that passes. */
    readonly seen?: ((chunk: Uint8Array) => void) | undefined;
  },
): Promise<DumpedPart> {
  const { taken, ...result } = await programs.stream(
    { ...request, timeoutMs: AS_LONG_AS_IT_TAKES_MS, signal: doing.signal },
    async (output) => {
      const content = output[Symbol.asyncIterator]();
      const first = await content.next();
      if (first.done) return undefined;
      return await turns(() => writer.part(part, told(first.value, content, part.name, doing, seen)));
    },
  );
  return { result, part: taken };
}

async function* told(
  first: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
  message: string,
  { progress }: Doing,
  seen?: (chunk: Uint8Array) => void,
): Bytes {
  let bytes = first.length;
  seen?.(first);
  yield first;
  let toldOf = 0;
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    bytes += next.value.length;
    seen?.(next.value);
    if (bytes - toldOf >= TOLD_EVERY) {
      progress?.({ bytes, message });
      toldOf = bytes;
    }
    yield next.value;
  }
  progress?.({ bytes, message });
}
const TOLD_EVERY = 16 * 1024 ** 2;
