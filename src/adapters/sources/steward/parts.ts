import type { Part } from '../../../core/backup/copy.ts';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import { StewardError } from '../../../core/errors.ts';
import { partOf } from '../contents.ts';
import type { OwnStore } from './own-state.ts';

/** The folder that each part is of. */
export const STORE = 'data';
export const HOME = 'home';
export const KEYS = 'keys';

export const partName = (folder: string): string => (folder === STORE ? 'store.tar' : `${folder}.tar`);

/** There is none where the store was not Steward's own. */
export const storePart = ({ manifest }: SealedCopy): Part | undefined =>
  manifest.parts.find(({ name }) => name === partName(STORE));
export const homePart = (copy: SealedCopy): Part =>
  partOf(copy, ({ name }) => name === partName(HOME), 'the files of its home');
export const keysPart = ({ manifest }: SealedCopy): Part | undefined =>
  manifest.parts.find(({ name }) => name === partName(KEYS));

/** A folder of PostgreSQL is read by its own major version alone. */
export function assertStartable({ manifest }: SealedCopy, { version }: Pick<OwnStore, 'version'>): void {
  const wrote = manifest.tools['postgres'] ?? '';
  if (majorOf(wrote) === majorOf(version)) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The copy is of a store of PostgreSQL ${wrote}, and this Steward brings PostgreSQL ${version}.`,
    { hint: 'Restore it with a Steward of the version that made it, then update that one.' },
  );
}

const majorOf = (version: string): number => Number.parseInt(version, 10);
