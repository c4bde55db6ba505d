import type { Part } from '../../../core/backup/copy.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import { createMeter } from '../measured.ts';

/** Of all of them: a manifest is read as a whole. */
const HELD_BYTES = 4 * 1024 ** 2;

/** Small parts that only Steward reads, as text in the manifest: a snapshot of its own for each would take longer than all the rest. */
export interface Held {
  has(name: string): boolean;
  /** Keeps a part where it is small and text. What is not is given back whole, to be kept otherwise. */
  take(name: string, content: Bytes): Promise<Omit<Part, 'name' | 'kind'> | { readonly instead: Bytes }>;
  drop(name: string): void;
  /** A manifest with all of them as its member `held`, as JSON. */
  inside(manifest: object): Buffer;
}

export function createHeld(): Held {
  const parts = new Map<string, { readonly bytes: number; readonly json: Buffer }>();
  const room = (): number => [...parts.values()].reduce((left, { bytes }) => left - bytes, HELD_BYTES);
  return {
    has: (name) => parts.has(name),
    async take(name, content) {
      const flow = content[Symbol.asyncIterator]();
      const meter = createMeter();
      const metered = meter.through({ [Symbol.asyncIterator]: () => flow });
      const kept: Uint8Array[] = [];
      const instead = (async function* (): Bytes {
        yield* kept;
        yield* metered;
      })();
      const text = createJsonText();
      for (;;) {
        const { done, value } = await metered.next();
        if (value) kept.push(value);
        if (meter.bytes > room() || !text.add(value)) return { instead };
        if (done) break;
      }
      parts.set(name, { bytes: meter.bytes, json: text.json() });
      return { bytes: meter.bytes, sha256: meter.sha256(), storedBytes: 0 };
    },
    drop: (name) => void parts.delete(name),
    inside(manifest) {
      const before = JSON.stringify(manifest, null, 2).slice(0, -'\n}'.length);
      const members = [...parts].flatMap(([name, { json }], at) => [
        Buffer.from(`${at > 0 ? ',' : ''}\n    ${JSON.stringify(name)}: `),
        json,
      ]);
      return Buffer.concat([Buffer.from(`${before},\n  "held": {`), ...members, Buffer.from('\n  }\n}\n')]);
    },
  };
}

/** JSON of a text that comes in pieces, made as they come: what is long takes a while to say, and whoever sends it is at work meanwhile. */
function createJsonText(): { add(piece: Uint8Array | undefined): boolean; json(): Buffer } {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const json = [Buffer.from('"')];
  return {
    /** The end is no piece; false where it is no text. */
    add(piece) {
      try {
        json.push(Buffer.from(JSON.stringify(decoder.decode(piece, { stream: piece !== undefined })).slice(1, -1)));
        return true;
      } catch {
        return false;
      }
    },
    json: () => Buffer.concat([...json, Buffer.from('"')]),
  };
}
