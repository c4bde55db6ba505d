import type { z } from 'zod';

/** What a member of an input can be the name of. */
export type Named =
  | 'automation'
  | 'copy'
  | 'database'
  | 'migrations'
  | 'node'
  | 'repository'
  | 'service'
  | 'source'
  | 'source-kind'
  | 'workflow';

/**
 * Marks a member of an input as the name of something that there is, so that a form can offer what exists. It stands in
 * JSON Schema as `x-names` and refuses nothing: what is named may come to be later.
 */
export function naming<T extends z.ZodType>(named: Named, schema: T): T {
  return schema.meta({ ...schema.meta(), 'x-names': named });
}
