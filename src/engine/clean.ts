import type { Json } from '../core/json.ts';
import { REDACTED, redact } from '../core/redact.ts';
import { storableText } from '../core/storable-text.ts';

const SHORTEST_SECRET = 4;
const UNSTORABLE = /\\u(0000|d[89a-f])/i;
const storable = (_key: string, value: unknown): unknown => (typeof value === 'string' ? storableText(value) : value);

/** What may be stored: JSON as the store gives it back, without what looks like a secret and without the secrets that were used. */
export function cleaner(): { clean: (value: unknown) => Json; uses: (secret: string) => void } {
  const secrets = new Set<string>();
  const scrub = (text: string): string =>
    [...secrets].reduce((left, secret) => left.replaceAll(secret, REDACTED), text);
  return {
    uses(secret) {
      if (secret.length >= SHORTEST_SECRET) secrets.add(JSON.stringify(secret).slice(1, -1));
    },
    clean(value) {
      const text = scrub(JSON.stringify(value ?? null) ?? 'null');
      return redact((UNSTORABLE.test(text) ? JSON.parse(text, storable) : JSON.parse(text)) as Json);
    },
  };
}
