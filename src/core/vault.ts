/**
 * Seals what must be kept and must not be readable in the database, its backups and its logs. The key is a file of this
 * node: whoever has the database alone can neither read nor change what was sealed.
 */
export interface Vault {
  /** Tells one key from another and gives nothing of it away. */
  readonly keyId: string;
  /** `context` says what the text is and whose: it opens for the same context only. */
  seal(text: string, context: string): string;
  /** Undefined where another key sealed it, or another context, or where it was altered since. */
  open(sealed: string, context: string): string | undefined;
  /** A mark that only this key makes of this text for this purpose; unlike what is sealed, the text stays readable. */
  sign(text: string, purpose: string): string;
  /** The same for the same text; says nothing about it to who lacks the key. */
  fingerprint(text: string): string;
}
