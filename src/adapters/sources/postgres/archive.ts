import { createHash, hash as hashOf } from 'node:crypto';

/**
 * Reads the rows out of a dump in PostgreSQL's custom format as it flows by, where they are not compressed. The format is what
 * `WriteHead`, `WriteToc` and `WriteInt` of src/bin/pg_dump/pg_backup_archiver.c and `_StartData` of pg_backup_custom.c write.
 * Whoever reads one of a version that is not listed here, or anything unexpected, gets nothing rather than a guess.
 */
const FORMATS: Readonly<Record<string, { readonly compressionIsByte: boolean; readonly hasRelkind: boolean }>> = {
  // pg_dump 12 to 15, 16, 17 to 18.
  '1.14': { compressionIsByte: false, hasRelkind: false },
  '1.15': { compressionIsByte: true, hasRelkind: false },
  '1.16': { compressionIsByte: true, hasRelkind: true },
};
/** So far each row is a piece of its own; later programs may gather several. */
const NEWEST_WITH_A_ROW_A_PIECE = 18;

const CUSTOM = 1;
const DATA = 1;
const LARGE_OBJECTS = 3;
const INT = 5;
const LONGEST_TEXT = 64 * 1024 ** 2;
const NEWLINE = 0x0a;
/** What comes behind the last row, as a piece of its own. */
const END = Buffer.from('\\.\n\n\n');

/** Rows of one table as they pass: each behind its length, cut anywhere. */
export interface RowSink {
  take(rows: Uint8Array): void;
  checksum(): string;
}

export interface ArchivedTable {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  readonly checksum: string;
}

/** In the order of the dump, which a restore by several jobs keeps within a table: each loads it alone, from its first row. */
export function inOrderSink(): RowSink {
  const hash = createHash('sha256');
  return { take: (rows) => hash.update(rows), checksum: () => `sha256:${hash.digest('hex')}` };
}

/** Whatever their order: the sum of a hash of each. Slow, for when the other says that something is different. */
export function anyOrderSink(): RowSink {
  let rest: Uint8Array = new Uint8Array();
  let sum = 0n;
  return {
    take(rows) {
      const all =
        rest.length > 0 ? Buffer.concat([rest, rows]) : Buffer.from(rows.buffer, rows.byteOffset, rows.length);
      let at = 0;
      while (at + INT <= all.length) {
        const end = at + INT + all.readUInt32LE(at + 1);
        if (end > all.length) break;
        const digest = hashOf('sha256', all.subarray(at, end), 'buffer');
        sum = BigInt.asUintN(128, sum + digest.readBigUInt64LE(0) + (digest.readBigUInt64LE(8) << 64n));
        at = end;
      }
      rest = Buffer.from(all.subarray(at));
    },
    checksum: () => `sum:${sum}`,
  };
}

export interface ArchiveReader {
  push(chunk: Uint8Array): void;
  /** Every table whose rows passed; undefined where it is no archive that is understood here, or is not whole. */
  tables(): readonly ArchivedTable[] | undefined;
}

/** `wanted` spares the hash of what nobody asks for. */
export function readArchive(
  sink: () => RowSink,
  wanted: (schema: string, name: string) => boolean = () => true,
): ArchiveReader {
  const found: ArchivedTable[] = [];
  const reading = archive(sink, wanted, found);
  let state: 'reading' | 'between' | 'unknown' = 'reading';
  const advance = (chunk?: Uint8Array): void => {
    if (state === 'unknown') return;
    try {
      const { done, value } = chunk ? reading.next(chunk) : reading.next();
      state = done ? 'unknown' : value;
    } catch (thrown) {
      if (!(thrown instanceof NotUnderstood)) throw thrown;
      state = 'unknown';
    }
  };
  advance();
  return { push: advance, tables: () => (state === 'between' ? found : undefined) };
}

class NotUnderstood extends Error {}

type Step = 'reading' | 'between';
type Reading<T> = Generator<Step, T, Uint8Array>;

function* archive(
  sink: () => RowSink,
  wanted: (schema: string, name: string) => boolean,
  found: ArchivedTable[],
): Reading<never> {
  let bytes: Buffer = Buffer.alloc(0);
  let at = 0;

  function* more(step: Step = 'reading'): Reading<void> {
    // What passes is another's, who may use its memory again.
    const rest = Buffer.from(bytes.subarray(at));
    const next = yield step;
    bytes = rest.length > 0 ? Buffer.concat([rest, next]) : Buffer.from(next.buffer, next.byteOffset, next.length);
    at = 0;
  }
  function* take(length: number): Reading<Buffer> {
    while (bytes.length - at < length) yield* more();
    at += length;
    return bytes.subarray(at - length, at);
  }
  function* int(): Reading<number> {
    const read = yield* take(INT);
    const value = read.readUInt32LE(1);
    return read[0] === 0 ? value : -value;
  }
  function* text(): Reading<string | null> {
    const length = yield* int();
    if (length < 0) return null;
    if (length > LONGEST_TEXT) throw new NotUnderstood();
    return (yield* take(length)).toString();
  }

  function* head(): Reading<(typeof FORMATS)[string]> {
    if ((yield* take(5)).toString() !== 'PGDMP') throw new NotUnderstood();
    const [major = 0, minor = 0, , intSize, offsetSize, kind] = yield* take(6);
    const format = FORMATS[`${major}.${minor}`];
    if (!format || intSize !== INT - 1 || offsetSize !== 8 || kind !== CUSTOM) throw new NotUnderstood();
    const compression = format.compressionIsByte ? (yield* take(1))[0] : yield* int();
    if (compression !== 0) throw new NotUnderstood();
    // When it was made: seven numbers. Then the name of the database, and the versions of server and program.
    for (let number = 0; number < 7; number += 1) yield* int();
    yield* text();
    yield* text();
    const program = Number.parseInt((yield* text()) ?? '', 10);
    if (!(program <= NEWEST_WITH_A_ROW_A_PIECE)) throw new NotUnderstood();
    return format;
  }

  /** The tables whose rows follow, by the number of their entry. */
  function* contents({ hasRelkind }: (typeof FORMATS)[string]): Reading<Map<number, { schema: string; name: string }>> {
    const tables = new Map<number, { schema: string; name: string }>();
    for (let left = yield* int(); left > 0; left -= 1) {
      const id = yield* int();
      yield* int();
      yield* text();
      yield* text();
      const name = yield* text();
      const kind = yield* text();
      yield* int();
      const definition = yield* text();
      yield* text();
      yield* text();
      const schema = yield* text();
      yield* text();
      yield* text();
      if (hasRelkind) yield* int();
      yield* text();
      yield* text();
      while ((yield* text()) !== null);
      yield* take(1 + 8);
      // Rows that go to their partition by way of the whole table come in any order.
      const straight = !definition?.startsWith('-- load via partition root');
      if (kind === 'TABLE DATA' && name !== null && schema !== null && straight) tables.set(id, { schema, name });
    }
    return tables;
  }

  /** Pieces until an empty one; gives how many rows there were. The one place where speed counts. */
  function* pieces(into: RowSink | undefined): Reading<number> {
    let [count, ended] = [0, false];
    for (;;) {
      const [here, start] = [bytes, at];
      let [next, left] = [start, -1];
      while (next + INT <= here.length) {
        const length = here.readUInt32LE(next + 1);
        const end = next + INT + length;
        if (length === 0 || end > here.length) {
          left = length === 0 ? 0 : length > END.length ? end - here.length : -1;
          break;
        }
        if (here[next] !== 0 || ended || (into && here[end - 1] !== NEWLINE)) throw new NotUnderstood();
        // No row looks like this: it would have its backslash twice.
        if (length === END.length && END.equals(here.subarray(next + INT, end))) ended = true;
        else count += 1;
        next = end;
      }
      at = next;
      if (left <= 0) into?.take(bytes.subarray(start, at));
      if (left === 0) {
        if (into && !ended) throw new NotUnderstood();
        at += INT;
        return count;
      }
      if (left < 0) {
        yield* more();
        continue;
      }
      // A row that goes on in what comes next, however long it is, is never held.
      into?.take(bytes.subarray(start));
      let last: number | undefined;
      for (at = bytes.length; left > 0;) {
        yield* more();
        at = Math.min(left, bytes.length);
        left -= at;
        into?.take(bytes.subarray(0, at));
        last = bytes[at - 1];
      }
      if (into && last !== NEWLINE) throw new NotUnderstood();
      count += 1;
    }
  }

  const tables = yield* contents(yield* head());
  for (;;) {
    while (at === bytes.length) yield* more('between');
    const [block] = yield* take(1);
    const id = yield* int();
    if (block === DATA) {
      const table = tables.get(id);
      const into = table && wanted(table.schema, table.name) ? sink() : undefined;
      const rows = yield* pieces(into);
      if (table && into) found.push({ ...table, rows, checksum: into.checksum() });
    } else if (block === LARGE_OBJECTS) {
      while ((yield* int()) !== 0) yield* pieces(undefined);
    } else throw new NotUnderstood();
  }
}
