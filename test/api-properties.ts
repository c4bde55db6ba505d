import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { describe, expect, it } from 'vitest';
import type { Catalog } from '../src/core/catalog.ts';
import { type JsonSchema, kindsOf } from '../src/surfaces/json-schema.ts';
import { jsonSchemaOf } from '../src/surfaces/json-schema-of.ts';
import { API, type Route, routesOf } from '../src/surfaces/rest/routes.ts';

export interface ComposedApi {
  readonly app: FastifyInstance;
  readonly catalog: Catalog;
  /** A credential of each kind, none of which may bring the server to fall. */
  readonly tokens: readonly string[];
  /** How many runs there are, so that none comes of a request that was refused. */
  runs(): Promise<number>;
}

export interface PropertyOptions {
  readonly numRuns?: number;
  /** Operations that a made-up input must not reach: they wait for minutes, or end what the suite needs. */
  readonly leaveOut?: readonly string[];
}

interface Answer {
  readonly status: number;
  readonly body: {
    readonly error?: {
      readonly code?: unknown;
      readonly message?: unknown;
      readonly hint?: unknown;
      readonly problems?: readonly { path: string; message: string }[];
    };
  } | null;
  readonly text: string;
}

/**
 * What must hold for every operation and automation there is, whatever is sent: no 5xx, no crash, no half-created run;
 * wrong input is answered with the field, what was expected, and a hint.
 */
export function describeApiProperties(
  name: string,
  compose: () => Promise<ComposedApi>,
  catalogOf: () => Promise<Catalog>,
  { numRuns = 25, leaveOut = [] }: PropertyOptions = {},
): void {
  describe(name, async () => {
    const listed = await catalogOf();
    let composed: Promise<ComposedApi> | undefined;
    const api = (): Promise<ComposedApi> => (composed ??= compose());

    for (const route of routesOf(listed).filter(({ operation }) => !leaveOut.includes(operation.name))) {
      const schema = jsonSchemaOf(route.operation.input, 'input');
      it(`${route.method} ${route.path} answers any input without falling`, async () => {
        const { app, tokens } = await api();
        await fc.assert(
          fc.asyncProperty(inputs(schema), fc.constantFrom(...tokens), async (input, token) => {
            const answer = await send(app, route, input, token);
            assertCivil(answer, JSON.stringify(input));
          }),
          { numRuns },
        );
      });
    }

    for (const automation of listed.automations.values()) {
      const schema = jsonSchemaOf(automation.input, 'input');
      for (const what of ['runs', 'plan']) {
        it(`POST ${API}/automations/${automation.name}/${what} refuses without leaving a run`, async () => {
          const { app, tokens, runs } = await api();
          await fc.assert(
            fc.asyncProperty(broken(schema), fc.constantFrom(...tokens), async (input, token) => {
              const before = await runs();
              const answer = await post(app, `${API}/automations/${automation.name}/${what}`, { input }, token);
              assertCivil(answer, JSON.stringify(input));
              if (answer.status >= 400) expect(await runs()).toBe(before);
            }),
            { numRuns },
          );
        });
      }
    }

    it('survives bodies, addresses and headers that are not even wrong', async () => {
      const { app, tokens } = await api();
      const paths = [
        ...routesOf(listed).map(({ path }) => path),
        `${API}/automations/x/runs`,
        `${API}/login`,
        `${API}/setup`,
      ];
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...paths),
          fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
          fc.oneof(fc.string(), fc.json(), fc.constant('{"__proto__":{}}'), fc.constant('['.repeat(5_000))),
          fc.constantFrom('application/json', 'text/plain', 'multipart/form-data', ''),
          fc.constantFrom(...tokens),
          fc.string({ maxLength: 30 }),
          async (path, method, payload, type, token, tail) => {
            const response = await app.inject({
              method: method as 'GET',
              url: `${path.replaceAll(/\{[^}]*\}/g, () => encodeURIComponent(tail) || 'x')}?${encodeURIComponent(tail)}=%&a=${encodeURIComponent(tail)}`,
              ...(method === 'GET' ? {} : { payload }),
              headers: {
                authorization: `Bearer ${token}`,
                ...(type === '' ? {} : { 'content-type': type }),
                'idempotency-key': tail.replaceAll(/[^\x20-\x7e]/g, '?'),
              },
            });
            assertCivil(
              { status: response.statusCode, text: response.body, body: parse(response.body) },
              `${method} ${path}`,
            );
          },
        ),
        { numRuns: numRuns * 8 },
      );
    });
  });
}

function assertCivil({ status, body, text }: Answer, sent: string): void {
  // 503 is what a bounded resource says when it is full; anything else of the kind is a bug.
  if (status >= 500 && status !== 501) throw new Error(`${status} for ${sent.slice(0, 500)}: ${text.slice(0, 500)}`);
  if (status < 400) return;
  expect(body?.error, text).toMatchObject({ code: expect.any(String), message: expect.any(String) });
  expect(text).not.toMatch(/\bat \S+ \(|node_modules|\.ts:\d/);
  if (body?.error?.code !== 'INPUT_INVALID') return;
  expect(body.error.hint, text).toEqual(expect.any(String));
  for (const problem of body.error.problems ?? [])
    expect(problem).toEqual({ path: expect.any(String), message: expect.stringMatching(/\S/) });
}

async function send(app: FastifyInstance, route: Route, input: unknown, token: string): Promise<Answer> {
  const members = (input !== null && typeof input === 'object' && !Array.isArray(input) ? input : {}) as Record<
    string,
    unknown
  >;
  const url = route.path.replaceAll(
    /\{([^}]+)\}/g,
    (_all, member: string) => encodeURIComponent(asText(members[member]).toWellFormed()) || 'x',
  );
  if (route.method === 'POST') {
    const rest =
      route.parameters.length === 0
        ? input
        : Object.fromEntries(Object.entries(members).filter(([member]) => !route.parameters.includes(member)));
    return await post(app, url, rest, token);
  }
  const query = new URLSearchParams();
  for (const [member, value] of Object.entries(members))
    if (!route.parameters.includes(member)) for (const each of [value].flat()) query.append(member, asText(each));
  const response = await app.inject({
    method: 'GET',
    url: `${url}?${query}`,
    headers: { authorization: `Bearer ${token}` },
  });
  return { status: response.statusCode, text: response.body, body: parse(response.body) };
}

async function post(app: FastifyInstance, url: string, body: unknown, token: string): Promise<Answer> {
  const response = await app.inject({
    method: 'POST',
    url,
    payload: JSON.stringify(body) ?? '',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
  });
  return { status: response.statusCode, text: response.body, body: parse(response.body) };
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function parse(text: string): Answer['body'] {
  try {
    return JSON.parse(text) as Answer['body'];
  } catch {
    return null;
  }
}

/** Inputs near what the schema wants, some right, many wrong in one place, a few wrong altogether. */
function inputs(schema: JsonSchema): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 4, arbitrary: valid(schema, 0) },
    { weight: 4, arbitrary: broken(schema) },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
}

function broken(schema: JsonSchema): fc.Arbitrary<unknown> {
  const members = Object.entries(schema.properties ?? {});
  const extra = fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), nasty(), { minKeys: 1, maxKeys: 2 });
  const withExtra = fc.tuple(valid(schema, 0), extra).map(([right, more]) => ({ ...(right as object), ...more }));
  if (members.length === 0) return fc.oneof(withExtra, fc.jsonValue());
  const withWrong = fc
    .tuple(valid(schema, 0), fc.constantFrom(...members.map(([member]) => member)), nasty())
    .map(([right, member, wrong]) => ({ ...(right as object), [member]: wrong }));
  return fc.oneof(
    { weight: 4, arbitrary: withWrong },
    { weight: 2, arbitrary: withExtra },
    { weight: 1, arbitrary: fc.jsonValue() },
  );
}

function nasty(): fc.Arbitrary<unknown> {
  return fc.oneof(
    fc.constantFrom<unknown>(
      '',
      '\0',
      '\ud800',
      ' ',
      '%00',
      '../../etc/passwd',
      "' or 1=1 --",
      'NaN',
      '-1',
      '1e999',
      null,
      true,
      -1,
      0,
      1e308,
      Number.MAX_SAFE_INTEGER,
      [],
      {},
      [[]],
      '9999999-01-01',
      '-271821-04-20',
      'x'.repeat(5_000),
    ),
    fc.jsonValue({ maxDepth: 2 }),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );
}

/** Something the schema lets through, as far as JSON Schema can say it. */
function valid(schema: JsonSchema, depth: number): fc.Arbitrary<unknown> {
  const { enum: choices, anyOf, oneOf } = schema;
  if (choices && choices.length > 0) return fc.constantFrom(...choices);
  if ('const' in schema) return fc.constant(schema.const);
  const branches = [...(anyOf ?? []), ...(oneOf ?? [])];
  if (branches.length > 0 && depth < 4) return fc.oneof(...branches.map((branch) => valid(branch, depth + 1)));
  const bound = (keyword: string, otherwise: number): number => {
    const value = schema[keyword];
    return typeof value === 'number' ? value : otherwise;
  };
  switch ([...kindsOf(schema)][0] ?? 'any') {
    case 'string':
      if (schema.format === 'date-time') return fc.date({ noInvalidDate: true }).map((date) => date.toISOString());
      if (schema.format === 'uri') return fc.constantFrom('http://127.0.0.1:1/', 'https://[::1]:1/x');
      return fc.string({
        minLength: Math.min(bound('minLength', 0), 500),
        maxLength: Math.min(bound('maxLength', 30), 500),
      });
    case 'integer':
      return fc.integer({ min: Math.max(bound('minimum', -100), -1e9), max: Math.min(bound('maximum', 1_000), 1e9) });
    case 'number':
      return fc.double({ min: bound('minimum', -100), max: bound('maximum', 1_000), noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valid(schema.items ?? {}, depth + 1), {
        minLength: Math.min(bound('minItems', 0), 3),
        maxLength: 3,
      });
    case 'object': {
      if (depth > 4) return fc.constant({});
      const required = new Set(schema.required ?? []);
      const members = Object.entries(schema.properties ?? {});
      return fc.record(Object.fromEntries(members.map(([member, each]) => [member, valid(each, depth + 1)])), {
        requiredKeys: members.map(([member]) => member).filter((member) => required.has(member)),
      });
    }
    default:
      return fc.jsonValue({ maxDepth: 1 });
  }
}
