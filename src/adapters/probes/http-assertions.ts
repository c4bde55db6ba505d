import { type JsonValue, query } from 'jsonpath-rfc9535';
import { RE2JS } from 're2js';
import type { TargetOf } from '../../core/check.ts';
import { canonicalJson } from '../../core/json.ts';
import type { JsonAssertion } from '../../core/network-targets.ts';
import type { HttpHeaders } from './http-exchange.ts';
import { peerText } from './result.ts';

type HttpTarget = TargetOf<'http'>;

/** RE2 takes time in proportion to the text, whatever the expression; this bounds the proportion. */
const MATCHED_BYTES = 64 * 1024;
const SHOWN_VALUE = 80;
const compiled = new Map<string, RE2JS>();

export function looksAtBody(target: HttpTarget): boolean {
  return [target.expectBody, target.expectNoBody, target.expectMatch, target.expectJson].some(
    (wanted) => wanted !== undefined,
  );
}

/** What the answer lacks, in words; undefined where it is as it should be. */
export function lacking(
  target: HttpTarget,
  { headers, body, cut }: { headers: HttpHeaders; body: Buffer; cut: boolean },
): string | undefined {
  for (const [name, text] of Object.entries(target.expectHeaders ?? {})) {
    const value = headers[name.toLowerCase()];
    if (value === undefined) return `it has no header ${name}`;
    if (![value].flat().some((each) => each.toLowerCase().includes(text.toLowerCase())))
      return `its header ${name} is '${peerText(String(value), SHOWN_VALUE)}', expected '${text}' in it`;
  }
  if (target.expectBody !== undefined && !body.includes(target.expectBody)) return 'the body lacks the expected text';
  if (target.expectNoBody !== undefined && body.includes(target.expectNoBody))
    return 'the body has the text that it must not have';
  if (target.expectMatch !== undefined && !expression(target.expectMatch).test(body.toString('utf8', 0, MATCHED_BYTES)))
    return `the body does not match ${target.expectMatch}`;
  return target.expectJson && lackingJson(target.expectJson, body, cut);
}

function expression(source: string): RE2JS {
  let found = compiled.get(source);
  if (!found) compiled.set(source, (found = RE2JS.compile(source)));
  return found;
}

function lackingJson(assertions: readonly JsonAssertion[], body: Buffer, cut: boolean): string | undefined {
  if (cut) return 'the body is longer than 256 KB, too long to be read as JSON';
  let document: JsonValue;
  try {
    document = JSON.parse(body.toString('utf8')) as JsonValue;
  } catch {
    return 'the body is no JSON';
  }
  for (const assertion of assertions) {
    let values: JsonValue[];
    try {
      values = query(document, assertion.path);
    } catch (thrown) {
      return `${assertion.path} could not be looked up: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    }
    const missing = failing(assertion, values);
    if (missing) return missing;
  }
  return undefined;
}

function failing(assertion: JsonAssertion, values: readonly JsonValue[]): string | undefined {
  const { path, equals, not, contains, above, below, count, exists } = assertion;
  if (exists === false) return values.length === 0 ? undefined : `${path} is there`;
  if (count !== undefined && values.length !== count) return `${path} finds ${values.length}, expected ${count}`;
  if (values.length === 0) return count === 0 ? undefined : `${path} finds nothing`;
  for (const value of values) {
    const is = `${path} is ${peerText(JSON.stringify(value), SHOWN_VALUE)}`;
    if (equals !== undefined && canonicalJson(value) !== canonicalJson(equals))
      return `${is}, expected ${JSON.stringify(equals)}`;
    if (not !== undefined && canonicalJson(value) === canonicalJson(not)) return is;
    if (contains !== undefined && !(typeof value === 'string' && value.includes(contains)))
      return `${is}, expected a text with '${contains}'`;
    if (above !== undefined && !(typeof value === 'number' && value > above)) return `${is}, expected above ${above}`;
    if (below !== undefined && !(typeof value === 'number' && value < below)) return `${is}, expected below ${below}`;
  }
  return undefined;
}
