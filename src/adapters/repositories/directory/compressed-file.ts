import { createReadStream } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress, createZstdDecompress } from 'node:zlib';
import type { Part } from '../../../core/backup/copy.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { createMeter, type Meter, notThePart, verified } from '../measured.ts';

const CHUNK = 256 * 1024;
/** Of one part; whoever asked for it has a limit of their own. */
const LONGEST_MS = 24 * 3_600_000;
const PIECE = 1024 * 1024;
const ZSTD = {
  chunkSize: CHUNK,
  params: {
    [constants.ZSTD_c_compressionLevel]: 3,
    // What `zstd --test` compares.
    [constants.ZSTD_c_checksumFlag]: 1,
  },
};

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
    programs,
  }: {
    readonly signal: AbortSignal;
    readonly told: (bytes: number) => void;
    readonly programs: Pick<ProgramsPort, 'stream'>;
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
    await compress(before.through(source()), (compressed) => writeAll(file, after.through(compressed)), {
      signal,
      programs,
    });
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

/** By the program where this machine has it, which is faster by half; the library writes the same format. */
async function compress(
  content: Bytes,
  take: (compressed: Bytes) => Promise<void>,
  { signal, programs }: { readonly signal: AbortSignal; readonly programs: Pick<ProgramsPort, 'stream'> },
): Promise<void> {
  const request = { program: 'zstd', args: ['-3', '-q', '-c', '--check'], timeoutMs: LONGEST_MS, signal };
  let asked = false;
  const input = async function* (): Bytes {
    asked = true;
    yield* content;
  };
  try {
    const { exitCode, stderr } = await programs.stream({ ...request, input: input() }, take);
    if (exitCode === 0) return;
    throw new StewardError('PROGRAM_FAILED', `zstd ended with ${exitCode ?? 'a signal'}: ${stderr.slice(-300)}`);
  } catch (thrown) {
    // Where there is no such program nothing of the content was asked for yet.
    if (asked || !(thrown instanceof StewardError) || thrown.code !== 'NOT_FOUND') throw thrown;
  }
  await pipeline(inPieces(content), createZstdCompress(ZSTD), (compressed: Bytes) => take(compressed), { signal });
}

/** What was compressed into a file; throws VERIFICATION_FAILED where it is not what the part says, or not there. */
export async function* readCompressed(
  path: string,
  part: Part,
  { signal, stored, where }: { readonly signal: AbortSignal; readonly stored?: Meter; readonly where: string },
): AsyncGenerator<Uint8Array> {
  const content = createZstdDecompress({ chunkSize: CHUNK });
  const file = createReadStream(path, { highWaterMark: CHUNK });
  const flow = pipeline(file, (bytes: Bytes) => (stored ? stored.through(bytes) : bytes), content, { signal });
  // Its failure arrives through `content`.
  flow.catch(() => {});
  try {
    yield* verified(content, part, where);
    await flow;
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
    file.destroy();
  }
}

/** A pipe gives 64 KB at most, and each piece costs the compressor a way to another thread and back. */
async function* inPieces(content: Bytes): AsyncGenerator<Uint8Array> {
  let [held, length]: [Uint8Array[], number] = [[], 0];
  for await (const chunk of content) {
    held.push(chunk);
    length += chunk.length;
    if (length < PIECE) continue;
    yield held.length === 1 ? chunk : Buffer.concat(held, length);
    [held, length] = [[], 0];
  }
  if (length > 0) yield Buffer.concat(held, length);
}

async function writeAll(file: FileHandle, chunks: Bytes): Promise<void> {
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
  }
}

function measuredBy(meter: Meter): Pick<Part, 'bytes' | 'sha256'> {
  return { bytes: meter.bytes, sha256: meter.sha256() };
}
