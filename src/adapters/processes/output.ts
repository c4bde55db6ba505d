import { constants, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StewardError } from '../../core/errors.ts';

const LARGEST_BYTES = 10 * 1024 * 1024;

/** Where a launched program prints to, in a folder only its owner may enter. One that has grown large is put aside once. */
export function openOutput(path: string, program: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LARGEST_BYTES) renameSync(path, `${path}.1`);
    return openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (cause) {
    throw new StewardError('PRECONDITION_FAILED', `The output of ${program} cannot be written to ${path}.`, {
      hint: 'Make the folder writable for Steward, and look whether its disk is full.',
      cause,
    });
  }
}
