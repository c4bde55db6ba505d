import { type FileHandle, open, rm } from 'node:fs/promises';
import { addAbortSignal, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { constants, createZstdCompress, createZstdDecompress, zstdCompress } from 'node:zlib';
import type { Part } from '../../../core/backup/copy.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { createMeter, type Meter, notThePart, verified } from '../measured.ts';

const CHUNK = 256 * 1024;
const PIECE = 1024 * 1024;
/** What is compressed both ways to tell which is better. */
const BEGINNING = 4 * PIECE;
/** Pieces that may wait for the compressor. */
const WAITING = 4;
/** What may be decompressed before anybody asks for it, so that whoever hashes and writes it works at the same time. */
const DECOMPRESSED = { chunkSize: CHUNK, readableHighWaterMark: 4 * CHUNK };
const FLUSHED_AT_ONCE = 32 * PIECE;
const FAST = 1;
const USUAL = 3;
/** The checksum is what `zstd --test` compares. */
const PARAMS = { [constants.ZSTD_c_checksumFlag]: 1 };
const zstd = promisify(zstdCompress);

export interface Written {
  readonly content: Pick<Part, 'bytes' | 'sha256'>;
  readonly stored: Pick<Part, 'bytes' | 'sha256'>;
}

/** Compresses content into a new file and waits until the disk has it. Where that fails the file is gone. */
export async function writeCompressed(
  path: string,
  content: Bytes,
  {
    signal,
    told,
  }: {
    readonly signal: AbortSignal;
    readonly told: (bytes: number) => void;
  },
): Promise<Written> {
  let ofContent: { readonly thrown: unknown } | undefined;
  const source = async function* (): Bytes {
    try {
      yield* content;
    } catch (thrown) {
      ofContent = { thrown };
      throw thrown;
    }
  };
  const before = createMeter(told);
  const after = createMeter();
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    throw fileError(`${path} cannot be written`, error);
  });
  try {
    await compress(before.through(source()), (compressed) => writeAll(file, after.through(compressed)), signal);
    await file.sync();
    return { content: measuredBy(before), stored: measuredBy(after) };
  } catch (thrown) {
    await rm(path, { force: true });
    if (ofContent) throw ofContent.thrown;
    if (signal.aborted) throw new StewardError('CANCELED', `Writing ${path} was canceled.`, { cause: thrown });
    throw thrown instanceof StewardError ? thrown : fileError(`${path} cannot be written`, thrown);
  } finally {
    await file.close();
  }
}

/** Beside the thread that reads and hashes: pieces wait for the compressor, so that neither waits for the other. */
async function compress(
  content: Bytes,
  take: (compressed: Bytes) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const rest = content[Symbol.asyncIterator]();
  const beginning: Uint8Array[] = [];
  for (let length = 0; length < BEGINNING; length += beginning.at(-1)?.length ?? 0) {
    const next = await rest.next();
    if (next.done) break;
    // What passes is another's, who may use its memory again.
    beginning.push(Buffer.from(next.value));
  }
  const params = { ...PARAMS, [constants.ZSTD_c_compressionLevel]: await levelFor(Buffer.concat(beginning)) };
  const compressor = createZstdCompress({ chunkSize: CHUNK, params });
  const all = async function* (): Bytes {
    yield* beginning.splice(0);
    yield* { [Symbol.asyncIterator]: () => rest };
  };
  const taken = pipeline(compressor, (compressed: Bytes) => take(compressed), { signal });
  const fed = feed(all(), compressor).catch((thrown: unknown) => {
    compressor.destroy(thrown as Error);
    throw thrown;
  });
  for (const ended of await Promise.allSettled([taken, fed])) if (ended.status === 'rejected') throw ended.reason;
}

/** The higher level only where it makes less of it: of rows full of numbers and hashes it makes more, in twice the time. */
async function levelFor(beginning: Uint8Array): Promise<number> {
  const made = async (level: number): Promise<number> =>
    (await zstd(beginning, { params: { [constants.ZSTD_c_compressionLevel]: level } })).length;
  return (await made(FAST)) <= (await made(USUAL)) ? FAST : USUAL;
}

/** What was compressed into a file; throws VERIFICATION_FAILED where it is not what the part says, or not there. */
export async function* readCompressed(
  path: string,
  part: Part,
  { signal, stored, where }: { readonly signal: AbortSignal; readonly stored?: Meter; readonly where: string },
): AsyncGenerator<Uint8Array> {
  const content = addAbortSignal(signal, createZstdDecompress(DECOMPRESSED));
  const compressed = piecesOf(path);
  // Its failure arrives through `content`.
  const fed = feed(stored ? stored.through(compressed) : compressed, content).catch(
    (thrown: unknown) => void content.destroy(thrown as Error),
  );
  try {
    yield* verified(content, part, where);
  } catch (thrown) {
    if (thrown instanceof StewardError) throw thrown;
    if (signal.aborted) throw new StewardError('CANCELED', `Reading ${path} was canceled.`, { cause: thrown });
    const code = errnoOf(thrown) ?? '';
    if (code === 'ENOENT') throw notThePart(part, where, `${path} is missing`, thrown);
    if (code.startsWith('ERR_') || code.startsWith('ZSTD_') || code === 'EIO' || code === 'Z_BUF_ERROR')
      throw notThePart(part, where, `${path} cannot be read to its end: ${(thrown as Error).message}`, thrown);
    throw fileError(`${path} cannot be read`, thrown);
  } finally {
    content.destroy();
    await fed;
  }
}

/** A file, piece by piece, all in the same memory. */
async function* piecesOf(path: string): AsyncGenerator<Uint8Array> {
  await using file = await open(path);
  const memory = Buffer.allocUnsafeSlow(CHUNK);
  for (;;) {
    const { bytesRead } = await file.read(memory);
    if (bytesRead === 0) return;
    yield memory.subarray(0, bytesRead);
  }
}

/**
 * A pipe gives 64 KB at most, and each piece costs the compressor a way to another thread and back. The memory of pieces is used
 * again: given up and taken anew, it would have the garbage of everything collected several times a second.
 */
async function feed(content: Bytes, compressor: Writable): Promise<void> {
  const free: Buffer[] = Array.from({ length: WAITING }, () => Buffer.allocUnsafeSlow(PIECE));
  let freed = (): void => undefined;
  // Where what comes out of it cannot be taken it is closed, and not every piece comes back.
  compressor.once('close', () => freed());
  const empty = async (): Promise<Buffer> => {
    for (;;) {
      if (compressor.destroyed) throw compressor.errored ?? new Error('What is compressed is not taken.');
      const piece = free.pop();
      if (piece) return piece;
      await new Promise<void>((resolve) => (freed = resolve));
    }
  };
  const write = (piece: Buffer, length: number): void => {
    compressor.write(piece.subarray(0, length), () => {
      free.push(piece);
      freed();
    });
  };
  let [piece, length]: [Buffer | undefined, number] = [undefined, 0];
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length;) {
      piece ??= await empty();
      const taken = chunk.subarray(at, at + PIECE - length);
      piece.set(taken, length);
      at += taken.length;
      length += taken.length;
      if (length < PIECE) continue;
      write(piece, length);
      [piece, length] = [undefined, 0];
    }
  }
  if (piece) write(piece, length);
  compressor.end();
}

/** The disk begins early to take what it must have at the end. */
async function writeAll(file: FileHandle, chunks: Bytes): Promise<void> {
  let [behind, taking]: [number, Promise<void>] = [0, Promise.resolve()];
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    behind += chunk.length;
    if (behind < FLUSHED_AT_ONCE) continue;
    await taking;
    [behind, taking] = [0, file.datasync()];
    // Whoever waits for it next is told.
    taking.catch(() => undefined);
  }
  await taking;
}

function measuredBy(meter: Meter): Pick<Part, 'bytes' | 'sha256'> {
  return { bytes: meter.bytes, sha256: meter.sha256() };
}
