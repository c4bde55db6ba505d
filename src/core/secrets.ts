import type { SecretReference } from './check.ts';

/** Looks a secret up at the moment of use. NOT_FOUND names the reference, never a value. */
export type SecretResolver = (reference: SecretReference) => Promise<string>;
