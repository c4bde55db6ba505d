import { canonicalJson, type Json } from '../../core/json.ts';
import type { HttpResponse } from '../../core/ports/http.ts';
import type { CheckStatement } from '../../core/run.ts';
import type { ExpectedBody } from './schema.ts';

export const EXCERPT = 2_000;

/** What the answer is and holds, against what was expected of it. */
export function judged(
  address: string,
  { status, body, truncated }: Pick<HttpResponse, 'status' | 'body' | 'truncated'>,
  expected: { readonly expectStatus: readonly string[]; readonly expectBody?: ExpectedBody | undefined },
): CheckStatement[] {
  const statements: CheckStatement[] = [
    {
      name: `${address} answers ${expected.expectStatus.join(' or ')}`,
      ok: expected.expectStatus.some((text) => fits(status, text)),
      evidence: { status, answer: body.slice(0, EXCERPT) },
    },
  ];
  const { contains, pointer, equals } = expected.expectBody ?? {};
  if (contains !== undefined)
    statements.push({ name: `The answer of ${address} holds '${contains}'`, ok: body.includes(contains) });
  if (pointer !== undefined) {
    const found = memberOf(body, pointer);
    const ok = found !== undefined && (equals === undefined || canonicalJson(found) === canonicalJson(equals));
    statements.push({
      name: `The answer of ${address} has ${pointer}${equals === undefined ? '' : ` = ${JSON.stringify(equals)}`}`,
      ok,
      evidence: { found: JSON.stringify(found ?? null).slice(0, EXCERPT), ...(truncated && { truncated }) },
    });
  }
  return statements;
}

function fits(status: number, text: string): boolean {
  if (text.endsWith('xx')) return Math.floor(status / 100) === Number(text[0]);
  const [from = '', to = from] = text.split('-');
  return status >= Number(from) && status <= Number(to);
}

/** RFC 6901; undefined where it is no JSON or has no such member. */
function memberOf(body: string, pointer: string): Json | undefined {
  let value: Json | undefined;
  try {
    value = JSON.parse(body) as Json;
  } catch {
    return undefined;
  }
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~');
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return undefined;
    value = (value as { readonly [name: string]: Json })[name];
  }
  return value;
}
