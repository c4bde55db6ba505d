import type { Doing } from '../../core/backup/store.ts';

const STEP = 8 * 1024 ** 2;

/** Tells how many bytes were done so far, each eight MiB at most. */
export function progressOf(doing: Doing): (bytes: number) => void {
  let bytes = 0;
  let told = 0;
  return (more) => {
    bytes += more;
    if (bytes - told < STEP) return;
    told = bytes;
    doing.progress?.({ bytes });
  };
}
