import { StewardError } from '../../core/errors.ts';
import { dotted } from './names.ts';

/** A new database was to be made, and there is one that this run did not make: whose ever it is, it stays as it is. */
export const taken = (name: string): StewardError =>
  new StewardError('CONFLICT', `There is a database ${dotted(name)} already, and this run did not make it.`, {
    hint: 'Nothing was replaced. Choose a name that is free; to put a copy over the original there is restore-backup.',
  });
