import type { Json } from './json.ts';

export const REDACTED = '[redacted]';

const SECRET_KEY = /(^|[_\-.])(pass(word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|credential|dsn)s?$/i;
const PATTERNS: readonly [RegExp, string][] = [
  // user:password@host in any URL
  [/\b([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/gi, `$1:${REDACTED}@`],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  [/\bstw_[A-Za-z0-9]+_[A-Za-z0-9]+/g, REDACTED],
  [/\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+/g, REDACTED],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, REDACTED],
  [/\bgh[pousr]_[A-Za-z0-9]{20,}/g, REDACTED],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, REDACTED],
  // --password=x, password: x, PGPASSWORD=x
  [/((?:^|[\s"'{,;&?-])[\w-]*(?:password|passwd|secret|token|api[_-]?key)[\w-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&"'}]+)/gi, `$1${REDACTED}`],
  [/(\s--?(?:password|passwd|requirepass|secret|token)\s+)(\S+)/gi, `$1${REDACTED}`],
];

/** The text without what looks like a secret. Stands before everything that is stored, shown or sent. */
export function redactText(text: string): string {
  return PATTERNS.reduce((redacted, [pattern, replacement]) => redacted.replace(pattern, replacement), text);
}

/** The value without secrets: members named like one lose their value, texts are cleaned. References to secrets stay. */
export function redact<T extends Json | undefined>(value: T): T {
  return redactValue(value) as T;
}

function redactValue(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value);
  if (Array.isArray(value)) return redactArguments(value).map(redactValue);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      SECRET_KEY.test(key) && (typeof member === 'string' || typeof member === 'number') ? REDACTED : redactValue(member),
    ]),
  );
}

const SECRET_FLAG = /^--?(password|passwd|requirepass|masterauth|secret|token|api-key)$/i;

/** In an argument list the secret stands one place behind its flag. */
function redactArguments(list: readonly unknown[]): unknown[] {
  return list.map((item, index) => {
    const flag = list[index - 1];
    return typeof item === 'string' && typeof flag === 'string' && SECRET_FLAG.test(flag) ? REDACTED : item;
  });
}
