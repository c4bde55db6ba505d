import type { KeyValues } from '../platform.ts';

/** Bindings, variables and secrets: wrangler.jsonc names them. */
export interface Env {
  readonly STORE: KeyValues;
  /** Where Steward is, as in https://steward.example.org. */
  readonly STEWARD_URL: string;
  /** What `steward probe invite NAME --direct` printed. */
  readonly PLACE_TOKEN: string;
}
