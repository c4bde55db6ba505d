import { createHash } from 'node:crypto';
import type { Part } from '../../core/backup/copy.ts';
import type { Bytes } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';

/** Counts and hashes what flows by. */
export interface Meter {
  readonly bytes: number;
  through(content: Bytes): AsyncGenerator<Uint8Array>;
  sha256(): string;
}

export function createMeter(told?: (bytes: number) => void): Meter {
  const hash = createHash('sha256');
  let bytes = 0;
  let digest: string | undefined;
  return {
    get bytes() {
      return bytes;
    },
    async *through(content) {
      for await (const chunk of content) {
        hash.update(chunk);
        bytes += chunk.length;
        told?.(chunk.length);
        yield chunk;
      }
    },
    sha256: () => (digest ??= hash.digest('hex')),
  };
}

/** The content as it comes; throws VERIFICATION_FAILED as soon as it cannot be that of the part any more. */
export async function* verified(content: Bytes, part: Part, where: string): AsyncGenerator<Uint8Array> {
  const meter = createMeter();
  for await (const chunk of meter.through(content)) {
    if (meter.bytes > part.bytes)
      throw notThePart(part, where, `it has more than the ${part.bytes} bytes it should have`);
    yield chunk;
  }
  if (meter.bytes !== part.bytes) throw notThePart(part, where, `it has ${meter.bytes} bytes instead of ${part.bytes}`);
  if (meter.sha256() !== part.sha256)
    throw notThePart(part, where, `its SHA-256 is ${meter.sha256()} instead of ${part.sha256}`);
}

export function notThePart(part: Pick<Part, 'name'>, where: string, why: string, cause?: unknown): StewardError {
  return new StewardError('VERIFICATION_FAILED', `${part.name} of ${where} is damaged: ${why}.`, {
    hint: 'Do not restore from it: take the copy of another repository or an older one, and look at the disk it is on.',
    cause,
  });
}
