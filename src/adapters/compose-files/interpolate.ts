/** What a compose file says of a value whose variables are known, or which of them are not. */
export type Interpolated = { readonly text: string } | { readonly unknown: readonly string[] };

const MOST_NESTED = 8;
const LONGEST = 100_000;

/**
 * `$VAR`, `${VAR}`, `${VAR:-default}`, `${VAR-default}`, `${VAR:?text}`, `${VAR:+other}`, `$$`, as Compose replaces
 * them. What the shell of whoever started it had is not known, so a variable without a value here makes the whole unknown.
 */
export function interpolate(text: string, variables: ReadonlyMap<string, string>, depth = 0): Interpolated {
  if (!text.includes('$')) return { text };
  const unknown: string[] = [];
  let result = '';
  for (let at = 0; at < text.length && result.length < LONGEST;) {
    const c = text[at] ?? '';
    if (c !== '$') {
      result += c;
      at += 1;
      continue;
    }
    if (text[at + 1] === '$') {
      result += '$';
      at += 2;
      continue;
    }
    const plain = /^\$([A-Za-z_]\w*)/.exec(text.slice(at, at + 200));
    if (plain) {
      const [whole, name = ''] = plain;
      take(valueOf(name));
      at += whole.length;
      continue;
    }
    const end = closing(text, at + 1);
    const braced = end === undefined ? null : /^([A-Za-z_]\w*)(?:(:?[-?+])([\s\S]*))?$/.exec(text.slice(at + 2, end));
    if (end === undefined || !braced) {
      // Compose refuses it; what was meant nobody knows.
      unknown.push('$');
      at += 1;
      continue;
    }
    const [, name = '', operator, alternative = ''] = braced;
    const value = variables.get(name);
    const set = value !== undefined && (value !== '' || !operator?.startsWith(':'));
    const other = (): Interpolated =>
      depth < MOST_NESTED ? interpolate(alternative, variables, depth + 1) : { unknown: [name] };
    if (operator?.endsWith('-')) take(set ? { text: value } : other());
    else if (operator?.endsWith('+')) take(value === undefined ? { unknown: [name] } : set ? other() : { text: '' });
    else take(valueOf(name));
    at = end + 1;
  }
  return unknown.length > 0 ? { unknown: [...new Set(unknown)] } : { text: result };

  function valueOf(name: string): Interpolated {
    const value = variables.get(name);
    return value === undefined ? { unknown: [name] } : { text: value };
  }
  function take(part: Interpolated): void {
    if ('text' in part) result += part.text;
    else unknown.push(...part.unknown);
  }
}

/** Where the brace that opens here is closed. */
function closing(text: string, open: number): number | undefined {
  if (text[open] !== '{') return undefined;
  let depth = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === '{') depth += 1;
    else if (text[at] === '}') {
      depth -= 1;
      if (depth === 0) return at;
    }
  }
  return undefined;
}

/** `NAME=value` lines, quotes and comments as Compose reads them; a value is never shown. */
export function parseEnvironment(text: string): Map<string, string> {
  const variables = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/.exec(line);
    if (!match) continue;
    const [, name = '', raw = ''] = match;
    const quoted = /^(?:"((?:[^"\\]|\\.)*)"|'([^']*)')/.exec(raw);
    variables.set(
      name,
      quoted ? (quoted[2] ?? (quoted[1] ?? '').replace(/\\(["\\$])/g, '$1')) : raw.replace(/\s+#.*$/, '').trim(),
    );
  }
  return variables;
}
