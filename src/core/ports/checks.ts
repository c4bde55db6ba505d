import type { Check } from '../check.ts';
import type { Resource } from '../resource.ts';

/** What monitoring asks of a resource and expects of the answer, for whoever proves something about it by the same measure. */
export interface ChecksPort {
  of(resource: Resource): Promise<readonly Check[]>;
}
