import type { Headers } from './presets.ts';

/** What was sent: JSON, or a form, whose single field `payload` may be JSON itself. */
export interface Content {
  readonly is: 'json' | 'form';
  readonly data: unknown;
}

const JSON_TYPE = /^application\/(?:[a-z0-9.-]+\+)?json$/;
const FORM_TYPE = 'application/x-www-form-urlencoded';
/** JSON has none of them outside of escapes, and neither has a form: so no body looks like the head of a record of the journal. */
// oxlint-disable-next-line no-control-regex -- these are what is meant
const CONTROL = /[\u0000-\u0008]/;
const strict = new TextDecoder('utf-8', { fatal: true });

/** Nothing where the sender says that it sends what nobody reads here. */
export function mediaTypeOf(headers: Headers, forms: boolean): Content['is'] | undefined {
  const encoding = headers('content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') return undefined;
  const [type = '', ...parameters] = (headers('content-type') ?? '').toLowerCase().split(';');
  const charset = parameters.map((one) => one.trim()).find((one) => one.startsWith('charset='));
  if (charset !== undefined && !/^charset="?utf-?8"?$/.test(charset)) return undefined;
  if (JSON_TYPE.test(type.trim())) return 'json';
  return forms && type.trim() === FORM_TYPE ? 'form' : undefined;
}

/** Nothing where the body is not what it is said to be. */
export function contentOf(headers: Headers, body: Uint8Array, forms: boolean): Content | undefined {
  const is = mediaTypeOf(headers, forms);
  if (is === undefined) return undefined;
  try {
    const text = strict.decode(body);
    if (is === 'form' && CONTROL.test(text)) return undefined;
    return { is, data: is === 'json' ? JSON.parse(text) : formData(text) };
  } catch {
    return undefined;
  }
}

/** What a form says, as an object. */
export function formData(text: string): unknown {
  const fields = Object.fromEntries(new URLSearchParams(text));
  // GitHub and Slack wrap JSON in a field of this name.
  return Object.keys(fields).length === 1 && fields.payload !== undefined ? JSON.parse(fields.payload) : fields;
}
