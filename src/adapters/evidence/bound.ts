import type { Json, JsonObject } from '../../core/json.ts';

const MAX_BYTES = 64 * 1024;
const MAX_TEXT = 2_000;

/** The value within 64 KB: long texts are cut, then the oldest log lines go. */
export function bound(value: JsonObject): JsonObject {
  let cut = shorten(value, MAX_TEXT) as JsonObject;
  for (let limit = MAX_TEXT / 2; size(cut) > MAX_BYTES && limit > 10; limit /= 2) {
    const { logs } = cut;
    const lines = isLogs(logs) ? logs.lines : [];
    cut =
      lines.length > 1
        ? { ...cut, logs: { ...(logs as JsonObject), lines: lines.slice(-Math.ceil(lines.length / 2)), cut: true } }
        : (shorten(cut, limit) as JsonObject);
  }
  return size(cut) <= MAX_BYTES ? cut : { tooLarge: size(value) };
}

function isLogs(value: Json | undefined): value is { lines: string[] } {
  return typeof value === 'object' && value !== null && 'lines' in value && Array.isArray(value.lines);
}

function shorten(value: Json, limit: number): Json {
  if (typeof value === 'string') return value.length > limit ? `${value.slice(0, limit)}…` : value;
  if (Array.isArray(value)) return value.map((item: Json) => shorten(item, limit));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([key, member]) => [
      key,
      member === undefined ? undefined : shorten(member, limit),
    ]),
  );
}

function size(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}
