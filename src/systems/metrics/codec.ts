// Values are 32-bit floats: seven digits, which no chart shows. Each kind of row is columns one after the other, little-endian:
//   a tick:      u32 series × n, f32 value × n
//   raw:         u16 second of the hour × n, f32 value × n
//   rolled up:   u16 slot × n, u32 count × n, f32 min × n, f32 max × n, f32 sum × n, f32 last × n

const TICK_BYTES = 8;
const RAW_BYTES = 6;
const ROLLED_BYTES = 22;

/** All that is kept of the values within one slot. */
export interface Summary {
  count: number;
  min: number;
  max: number;
  sum: number;
  last: number;
}

export type Values = readonly (readonly [key: number, value: number])[];

function writeColumns(
  count: number,
  rowBytes: number,
  columns: readonly { readonly bytes: 2 | 4; readonly kind: 'int' | 'float'; readonly of: (row: number) => number }[],
): Buffer {
  const data = Buffer.allocUnsafe(count * rowBytes);
  let offset = 0;
  for (const { bytes, kind, of } of columns) {
    for (let row = 0; row < count; row += 1) {
      const value = of(row);
      if (kind === 'float') offset = data.writeFloatLE(value, offset);
      else offset = bytes === 2 ? data.writeUInt16LE(value, offset) : data.writeUInt32LE(value, offset);
    }
  }
  return data;
}

function rowsOf(data: Buffer, rowBytes: number): number {
  return data.length % rowBytes === 0 ? data.length / rowBytes : 0;
}

export function encodeTick(values: Values): Buffer {
  return writeColumns(values.length, TICK_BYTES, [
    { bytes: 4, kind: 'int', of: (row) => values[row]?.[0] ?? 0 },
    { bytes: 4, kind: 'float', of: (row) => values[row]?.[1] ?? 0 },
  ]);
}

/** Bytes that are no tick hold nothing. */
export function readTick(data: Buffer, visit: (series: number, value: number) => void): void {
  const count = rowsOf(data, TICK_BYTES);
  for (let row = 0; row < count; row += 1) visit(data.readUInt32LE(row * 4), data.readFloatLE((count + row) * 4));
}

export function encodeRaw(values: Values): Buffer {
  return writeColumns(values.length, RAW_BYTES, [
    { bytes: 2, kind: 'int', of: (row) => values[row]?.[0] ?? 0 },
    { bytes: 4, kind: 'float', of: (row) => values[row]?.[1] ?? 0 },
  ]);
}

export function encodeRolled(slots: readonly (readonly [slot: number, summary: Summary])[]): Buffer {
  const summary = (row: number, of: keyof Summary): number => slots[row]?.[1][of] ?? 0;
  return writeColumns(slots.length, ROLLED_BYTES, [
    { bytes: 2, kind: 'int', of: (row) => slots[row]?.[0] ?? 0 },
    { bytes: 4, kind: 'int', of: (row) => summary(row, 'count') },
    ...(['min', 'max', 'sum', 'last'] as const).map((member) => ({
      bytes: 4 as const,
      kind: 'float' as const,
      of: (row: number) => summary(row, member),
    })),
  ]);
}

/** Visits the slots of a chunk in their order, each as what is kept of it. Bytes that are no chunk hold nothing. */
export function readChunk(
  level: 'raw' | 'rolled',
  data: Buffer,
  visit: (slot: number, summary: Summary) => void,
): void {
  const count = rowsOf(data, level === 'raw' ? RAW_BYTES : ROLLED_BYTES);
  const float = (column: number, row: number): number => data.readFloatLE(count * 2 + (column * count + row) * 4);
  for (let row = 0; row < count; row += 1) {
    const slot = data.readUInt16LE(row * 2);
    if (level === 'raw') {
      const value = float(0, row);
      visit(slot, { count: 1, min: value, max: value, sum: value, last: value });
    } else {
      visit(slot, {
        count: data.readUInt32LE(count * 2 + row * 4),
        min: float(1, row),
        max: float(2, row),
        sum: float(3, row),
        last: float(4, row),
      });
    }
  }
}

/** Values or summaries that come in the order of time, brought together by the slot they fall into. */
export class Slots {
  readonly #slots = new Map<number, Summary>();

  add(slot: number, { count, min, max, sum, last }: Summary): void {
    const known = this.#slots.get(slot);
    if (!known) {
      this.#slots.set(slot, { count, min, max, sum, last });
      return;
    }
    known.count += count;
    known.min = Math.min(known.min, min);
    known.max = Math.max(known.max, max);
    known.sum += sum;
    known.last = last;
  }

  entries(): (readonly [number, Summary])[] {
    return [...this.#slots].toSorted(([one], [other]) => one - other);
  }
}
