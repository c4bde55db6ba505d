import type { KeyValues } from '../platform.ts';

/** Bindings, variables and secrets: wrangler.jsonc names them. */
export interface Env {
  readonly STORE: KeyValues;
  /** Where Steward is, as in https://steward.example.org. */
  readonly STEWARD_URL: string;
  /** How many requests the plan lets a worker make each time that it runs. */
  readonly SUBREQUESTS?: number;
  /** What `steward probe invite NAME --direct` printed. */
  readonly PLACE_TOKEN: string;
}
