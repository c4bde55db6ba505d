import { StewardError } from '../../core/errors.ts';

export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** What the file system refused, in Steward's words. */
export function fileError(what: string, error: unknown): StewardError {
  if (error instanceof StewardError) return error;
  switch (errnoOf(error) ?? '') {
    case 'ENOENT':
    case 'ENOTDIR':
      return new StewardError('NOT_FOUND', `${what}: there is no such file or folder.`, { cause: error });
    case 'EACCES':
    case 'EPERM':
      return new StewardError('FORBIDDEN', `${what}: this user may not.`, {
        hint: 'Run Steward as root, or give its user access.',
        cause: error,
      });
    case 'EROFS':
      return new StewardError('FORBIDDEN', `${what}: the file system is mounted read-only.`, { cause: error });
    case 'EEXIST':
    case 'ENOTEMPTY':
      return new StewardError('CONFLICT', `${what}: something is there already.`, {
        hint: 'Nothing was replaced. Move it away, or choose another name.',
        cause: error,
      });
    case 'ENOSPC':
    case 'EDQUOT':
      return new StewardError('DISK_FULL', `${what}: no space is left.`, {
        hint: 'Free some space on that disk.',
        cause: error,
      });
    case 'ELOOP':
      return new StewardError('FORBIDDEN', `${what}: it is a link, and links are not followed.`, { cause: error });
    case 'ENAMETOOLONG':
      return new StewardError('INPUT_INVALID', `${what}: the path is too long.`, { cause: error });
    default:
      return new StewardError('UNAVAILABLE', `${what}: ${error instanceof Error ? error.message : String(error)}`, {
        hint: 'Look at the disk: dmesg, smartctl.',
        cause: error,
      });
  }
}
