import type { LayerResult } from '../../core/backup/copy.ts';
import type { Comparison } from './contents.ts';

/** A comparison as the record of a proof keeps it. */
export function evidenceOf({
  missing,
  different,
  added,
  unsure,
  ...rest
}: Comparison): NonNullable<LayerResult['evidence']> {
  return {
    ...rest,
    counts: { ...rest.counts },
    unsure: unsure.count,
    missing: [...missing],
    different: [...different],
    added: [...added],
  };
}
