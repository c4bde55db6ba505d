import { z } from 'zod';

/** `{ env: NAME }`, `{ file: path }` or `{ credential: name }`: where a secret lives. The value itself is never stored. */
export const SecretReference = z
  .union([
    z.object({ env: z.string().min(1) }).strict(),
    z.object({ file: z.string().min(1) }).strict(),
    z.object({ credential: z.string().min(1) }).strict(),
  ])
  .describe('Where the secret is: {env: NAME}, {file: /path} or {credential: name} (a systemd credential).');
export type SecretReference = z.output<typeof SecretReference>;

/** Looks a secret up at the moment of use. NOT_FOUND names the reference, never a value. */
export type SecretResolver = (reference: SecretReference) => Promise<string>;

/**
 * The cause of a NOT_FOUND: the file of the secret was there, and was taken out of a folder that is still the same one. Whatever else
 * keeps a secret from being read, a folder that is not mounted say, speaks of the machine and not of the secret.
 */
export class SecretTaken extends Error {}
