import type { Json } from './json.ts';

export const REDACTED = '[redacted]';

const SECRET_KEY =
  /(^|[_\-.])(pass(word|wd|phrase)?|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|credential|dsn)s?$/i;

// The text may be hostile. A pattern therefore begins where a word begins and looks a bounded way ahead, or it consumes
// what it looks at: the time grows with the length of the text, never with its square.
const PATTERNS: readonly [RegExp, string][] = [
  // user:password@host in any URL
  [/(:\/\/[^\s:/@]*):[^\s/"'<>]+@/g, `$1:${REDACTED}@`],
  [/\b(Bearer|Basic)\s+[\w.~+/=-]{8,}/gi, `$1 ${REDACTED}`],
  // Steward's own: of the API, to join with, of a place and its invitation, of a plan
  [/\bstw[ijp]?_[A-Za-z0-9]+_[A-Za-z0-9]+/g, REDACTED],
  [/\bstp_[\w-]{40,}/g, REDACTED],
  [/(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+/g, REDACTED],
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, REDACTED],
  [/\bgh[pousr]_[A-Za-z0-9]{20,}/g, REDACTED],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, REDACTED],
  // --password=x, password: x, PGPASSWORD=x; a quotation that is cut off ends with the text
  [
    /(?<![\w-])((?=[\w-]{0,100}?(?:password|passwd|secret|token|api[_-]?key))[\w-]{1,200}["']?\s{0,20}[=:]\s{0,20})("(?:[^"\\]|\\[\s\S])*"?|'(?:[^'\\]|\\[\s\S])*'?|[^\s,;&"'}]+)/gi,
    `$1${REDACTED}`,
  ],
  [/((?<![\w-])--?(?:password|passwd|requirepass|masterauth|secret|token|api-key)\s+)(\S+)/gi, `$1${REDACTED}`],
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
    Object.entries(value).map(([key, member]) => [key, isSecretName(key) ? hidden(member) : redactValue(member)]),
  );
}

/** dbPassword is as secret as db_password. */
function isSecretName(key: string): boolean {
  return SECRET_KEY.test(key.slice(-100).replace(/([a-z0-9])([A-Z])/g, '$1_$2'));
}

function hidden(member: unknown): unknown {
  if (typeof member === 'string' || typeof member === 'number') return REDACTED;
  return Array.isArray(member) ? member.map(hidden) : redactValue(member);
}

const SECRET_FLAG = /^--?(passwd|requirepass|masterauth)$/i;

/** In an argument list the secret stands one place behind its flag. */
function redactArguments(list: readonly unknown[]): unknown[] {
  return list.map((item, index) => {
    const flag = list[index - 1];
    return typeof item === 'string' && typeof flag === 'string' && isSecretFlag(flag) ? REDACTED : item;
  });
}

/** --db-password as well as --password; --password=x carries its own value. */
function isSecretFlag(argument: string): boolean {
  return SECRET_FLAG.test(argument) || (argument.startsWith('-') && !argument.includes('=') && isSecretName(argument));
}

/** The arguments of a program as they may be shown: `known` are values that are secret whatever they look like. */
export function redactArgv(argv: readonly string[], known: readonly string[] = []): string[] {
  const shown = redact([...argv]);
  // A shorter one is found in the middle of ordinary words.
  const values = known.filter((value) => value.length >= 4).toSorted((a, b) => b.length - a.length);
  return shown.map((argument) => values.reduce((text, value) => text.replaceAll(value, REDACTED), argument));
}
