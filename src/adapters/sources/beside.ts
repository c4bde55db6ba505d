import type { SandboxPlace } from '../../core/backup/reader.ts';
import { StewardError } from '../../core/errors.ts';

export type Beside = SandboxPlace['beside'];

interface Room {
  readonly beside: Beside;
  /** As in: the server at 10.0.0.5:5432. */
  readonly server: string;
  /** What the databases of the copy take on the disk. */
  readonly bytes: number;
  /** Where its data lie and what is free there; undefined where that cannot be seen. */
  readonly free: { readonly folder: string; readonly bytes: number } | undefined;
  /** What lets it be seen. */
  readonly hint: string;
}

/** They are there once as data and once in what the server logs of it; whoever rehearses builds something anew there, too. */
const timesOf = (beside: Beside): number => (beside === 'seen' ? 3 : 2);
/** Of what is free so much stays with the original, whatever a copy takes. */
const STAYS = 0.2;

/** NOT_IMPLEMENTED where it is not wanted, DISK_FULL or PRECONDITION_FAILED where the disk of the original may fill up. */
export function assertRoomBeside({ beside, server, bytes, free, hint }: Room): void {
  if (free === undefined) {
    if (beside !== 'seen') return;
    throw new StewardError(
      'PRECONDITION_FAILED',
      `This machine can start no server of this kind, and how much room ${server} has left cannot be seen from here: a copy beside the original might fill its disk.`,
      { hint },
    );
  }
  const needed = bytes * timesOf(beside);
  if (needed <= free.bytes * (1 - STAYS)) return;
  throw new StewardError(
    'DISK_FULL',
    `A throw-away copy needs about ${megabytes(needed)} in ${free.folder} of ${server}, which has ${megabytes(free.bytes)} free: it might fill that disk.`,
    {
      hint: 'Free some space there, or install the server programs on this machine, which then starts one of its own.',
    },
  );
}

export function notBeside(what: string): StewardError {
  return new StewardError(
    'NOT_IMPLEMENTED',
    `This machine has no ${what} to start, and nothing is put beside the original.`,
    {
      hint: 'Install its server programs on this machine.',
    },
  );
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MB`;
