import type { Answer } from './exchange.ts';
import type { HttpTarget } from './http-target.ts';

/** Bounds what an expression may cost. */
const MATCHED_BYTES = 64 * 1024;
const SHOWN_VALUE = 80;

export type Lacking = { readonly is: 'missing' | 'unreadable'; readonly message: string };

const missing = (message: string): Lacking => ({ is: 'missing', message });

/** What the answer lacks, in words; undefined where it is as it should be. */
export function lacking(target: HttpTarget, { headers, body }: Answer): Lacking | undefined {
  for (const [name, text] of Object.entries(target.expectHeaders ?? {})) {
    const value = headers.get(name);
    if (value === null) return missing(`it has no header ${name}`);
    if (!value.toLowerCase().includes(text.toLowerCase()))
      return missing(`its header ${name} is '${value.slice(0, SHOWN_VALUE)}', expected '${text}' in it`);
  }
  const { expectBody, expectNoBody, expectMatch } = target;
  if (expectBody === undefined && expectNoBody === undefined && expectMatch === undefined) return undefined;
  const text = new TextDecoder().decode(body);
  if (expectBody !== undefined && !text.includes(expectBody)) return missing('the body lacks the expected text');
  if (expectNoBody !== undefined && text.includes(expectNoBody))
    return missing('the body has the text that it must not have');
  if (expectMatch === undefined) return undefined;
  const expression = compiled(expectMatch);
  if (!expression) return { is: 'unreadable', message: `this place cannot read the expression ${expectMatch}` };
  return expression.test(new TextDecoder().decode(body.subarray(0, MATCHED_BYTES)))
    ? undefined
    : missing(`the body does not match ${expectMatch}`);
}

/** RE2 writes flags in front of the expression; the rest that it has is JavaScript's, too, as a rule. */
function compiled(source: string): RegExp | undefined {
  const [, flags = '', rest = source] = /^\(\?([ims]+)\)(.*)$/s.exec(source) ?? [];
  try {
    return new RegExp(rest, `u${[...new Set(flags)].join('')}`);
  } catch {
    return undefined;
  }
}
