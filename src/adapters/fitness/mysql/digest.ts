/** To its end, or to the end of a statement that was cut off within it, be that behind a backslash. */
const STRING = String.raw`'(?:[^'\\]|\\[\s\S]|'')*(?:'|\\?$)|"(?:[^"\\]|\\[\s\S]|"")*(?:"|\\?$)`;
const COMMENT = String.raw`/\*[\s\S]*?(?:\*/|$)|--[ \t][^\n]*|--$|#[^\n]*`;
const NAME = '`(?:[^`]|``)*`';
const NUMBER = String.raw`\b0x[0-9a-f]+\b|\b0b[01]+\b|(?<![\w$.@])[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w$])`;
const TOKENS = new RegExp(
  `(?<comment>${COMMENT})|(?<value>\\b(?:_[a-z0-9]+\\s*|[xbn])?(?:${STRING})|${STRING}|${NUMBER})|(?<name>${NAME})`,
  'gi',
);
const LONGEST = 2_000;

/**
 * A statement with ? for each value and without its comments: what a slow log keeps has the values of users in it. What could be a
 * value is taken for one: a name in double quotes too.
 */
export function digestOf(sql: string): string {
  return sql
    .replaceAll(TOKENS, (found, ...groups: unknown[]) => {
      const { comment, value } = groups.at(-1) as { comment?: string; value?: string };
      if (comment !== undefined) return ' ';
      return value === undefined ? found : '?';
    })
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\(\s*\?(?:\s*,\s*\?)+\s*\)/g, '(...)')
    .replaceAll(/(\(\.\.\.\)|\(\?\))(?:\s*,\s*(?:\(\.\.\.\)|\(\?\)))+/g, '$1, ...')
    .trim()
    .replace(/;$/, '')
    .slice(0, LONGEST);
}
