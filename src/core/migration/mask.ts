// A file may have megabytes: all that is looked for is short.
const LITERAL = String.raw`(?:[enu]?'(?:[^'\\]|\\[\s\S]|''){0,1000}'|"(?:[^"\\]|\\[\s\S]|""){0,1000}"|(\$\w{0,60}\$)[\s\S]{0,1000}?\2)`;

/** Words after which SQL has a password: of CREATE USER, ALTER ROLE, SET PASSWORD, OPTIONS of a foreign server. */
const IDENTIFIED = String.raw`identified\s+(?:(?:with|via)\s+\S+\s+)?(?:by|as|using)(?:\s+password)?\s*\(?`;
const PASSWORD = String.raw`password(?:\s+for\s+[^=;]{1,300}=|\s*[=(])?(?:\s*password\s*\()?`;
const PASSWORDS = new RegExp(String.raw`(\b(?:${IDENTIFIED}|${PASSWORD})\s*)${LITERAL}`, 'gi');
/** What a connection string has of one. */
const CONNECTIONS = /(\b(?:connection|dblink\w*)\b[^;]{0,1000}?\bpassword=)([^\s'"]+)/gi;

/** The SQL as it may be shown and kept: with stars where it has passwords. */
export function masked(sql: string): string {
  return sql.replaceAll(PASSWORDS, "$1'***'").replaceAll(CONNECTIONS, '$1***');
}

/** What an engine says of this SQL, which it may quote from anywhere, without the passwords that are in it. */
export function maskedIn(message: string, sql: string): string {
  const secrets = [
    ...[...sql.matchAll(PASSWORDS)].map(([all, words = '']) => all.slice(words.length)),
    ...[...sql.matchAll(PASSWORDS)].map(([all, words = '']) => bare(all.slice(words.length))),
    ...[...sql.matchAll(CONNECTIONS)].map(([, , secret = '']) => secret),
  ];
  return secrets
    .filter((secret) => secret.length >= LEAST)
    .reduce((told, secret) => told.replaceAll(secret, '***'), masked(message));
}

/** What is shorter is found within its quotes only: it may be a part of any word. */
const LEAST = 3;

const bare = (literal: string): string =>
  literal.replace(/^(?:[enu]?'|"|\$\w*\$)/i, '').replace(/(?:'|"|\$\w*\$)$/, '');
