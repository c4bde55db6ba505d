import { z } from 'zod';
import type { AnyAutomation } from '../../core/automation.ts';
import type { Catalog } from '../../core/catalog.ts';
import { ErrorBody } from '../../core/error-body.ts';
import type { JsonObject } from '../../core/json.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { Run } from '../../core/run.ts';
import type { JsonSchema } from '../json-schema.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { type LaterEndpoint, laterEndpoints, notBuilt } from './endpoint-index.ts';
import { fixedPaths } from './openapi-fixed.ts';
import { ERROR, json, type Path } from './openapi-parts.ts';
import { PLACE_TOKEN, placePaths } from './place-addresses.ts';
import { RunRequest } from './requests.ts';
import { API, type Route, routesOf } from './routes.ts';

/** The description of the whole API, made of nothing but the catalog: the same catalog gives the same text. */
export function openapi(catalog: Catalog, version: string): JsonObject {
  const paths: Record<string, Path> = { ...fixedPaths(), ...placePaths() };
  const seen = new Map<string, number>();
  for (const route of routesOf(catalog)) {
    const nth = (seen.get(route.operation.name) ?? 0) + 1;
    seen.set(route.operation.name, nth);
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: described(
        route,
        nth === 1 ? route.operation.name : `${route.operation.name}-${nth}`,
      ),
    };
  }
  for (const endpoint of laterEndpoints(routesOf(catalog))) {
    const method = endpoint.method === 'POST' ? 'post' : 'get';
    paths[endpoint.path] = { ...paths[endpoint.path], [method]: describedLater(endpoint) };
  }
  for (const automation of catalog.automations.values()) {
    paths[`${API}/automations/${automation.name}/runs`] = { post: runOf(automation, 'run') };
    paths[`${API}/automations/${automation.name}/plan`] = { post: runOf(automation, 'plan') };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Steward',
      version,
      description: 'Runs the operations of the machines you own, and proves the outcome.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { session: [] }],
    tags: [
      { name: 'access', description: 'Signing in.' },
      { name: 'automations', description: 'What changes or inspects the world.' },
      { name: 'queries', description: 'What Steward knows.' },
      { name: 'commands', description: 'What Steward keeps.' },
      { name: 'places', description: 'What `steward probe` and scripts speak, with a token of their own.' },
      { name: 'later', description: 'Promised addresses that answer 501 until the part that serves them is there.' },
    ],
    paths: Object.fromEntries(Object.entries(paths).toSorted(([one], [other]) => (one < other ? -1 : 1))),
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'stw_<id>_<secret>' },
        session: { type: 'apiKey', in: 'cookie', name: 'steward_session' },
        place: PLACE_TOKEN,
      },
      schemas: { Run: jsonSchemaOf(Run, 'output'), Error: jsonSchemaOf(z.object({ error: ErrorBody }), 'output') },
    },
  } as unknown as JsonObject;
}

function described({ operation, method, parameters }: Route, operationId: string): Path {
  const schema = jsonSchemaOf(operation.input, 'input');
  const required = new Set(schema.required ?? []);
  const inPath = parameters.map((name) => parameter(name, 'path', schema.properties?.[name], true));
  const others = Object.entries(schema.properties ?? {}).filter(([name]) => !parameters.includes(name));
  return {
    operationId,
    tags: [operation.kind === 'query' ? 'queries' : 'commands'],
    summary: operation.title,
    description: operation.summary,
    'x-permission': operation.permission,
    parameters: [
      ...inPath,
      ...(method === 'GET' ? others.map(([name, member]) => parameter(name, 'query', member, required.has(name))) : []),
    ],
    ...(method === 'POST' && {
      requestBody: {
        required: others.some(([name]) => required.has(name)),
        content: json(
          {
            ...schema,
            properties: Object.fromEntries(others),
            required: [...required].filter((name) => !parameters.includes(name)),
            additionalProperties: false,
          },
          examplesOf(operation.examples),
        ),
      },
    }),
    responses: {
      200: { description: operation.summary, content: answerOf(operation) },
      default: ERROR,
    },
  };
}

function describedLater(endpoint: LaterEndpoint): Path {
  const { method, path, summary, later } = endpoint;
  const { message, hint } = notBuilt(endpoint);
  const name = path.replaceAll(/^\/(api\/v1\/)?|[{}]/g, '').replaceAll('/', '-');
  return {
    operationId: `later-${method.toLowerCase()}-${name}`,
    tags: ['later'],
    summary,
    description: `${message} ${hint}`,
    'x-permission': later.permission,
    parameters: [...path.matchAll(/\{([^}]+)\}/g)].map(([, parameterName = '']) =>
      parameter(parameterName, 'path', { type: 'string' }, true),
    ),
    responses: { 501: { ...ERROR, description: message }, default: ERROR },
  };
}

function answerOf(operation: AnyOperation): Path {
  const types = operation.kind === 'query' ? operation.download?.types : undefined;
  if (!types) return json(jsonSchemaOf(operation.output, 'output'));
  const schemaOf = (type: string): JsonSchema =>
    type === 'application/json' ? jsonSchemaOf(operation.output, 'output') : { type: 'string' };
  return Object.fromEntries(types.map((type) => [type, { schema: schemaOf(type) }]));
}

function parameter(name: string, where: 'path' | 'query', schema: JsonSchema = {}, required: boolean): Path {
  const { description, ...rest } = schema;
  return { name, in: where, required, ...(description === undefined ? {} : { description }), schema: rest };
}

function examplesOf(examples: readonly { readonly title: string; readonly input: unknown }[] | undefined): Path {
  return Object.fromEntries(
    (examples ?? []).map(({ title, input }, index) => [`example-${index + 1}`, { summary: title, value: input }]),
  );
}

function runOf(automation: AnyAutomation, what: 'run' | 'plan'): Path {
  const { dryRun, ...shape } = jsonSchemaOf(RunRequest, 'input').properties ?? {};
  const properties = {
    ...shape,
    input: jsonSchemaOf(automation.input, 'input'),
    ...(what === 'run' && dryRun ? { dryRun } : {}),
  };
  const needsInput = (properties.input.required ?? []).length > 0;
  return {
    operationId: `${what}-${automation.name}`,
    tags: ['automations'],
    summary: what === 'run' ? automation.title : `${automation.title}: the plan only`,
    description:
      what === 'run' ? automation.summary : `${automation.summary} Stops after the plan and changes nothing.`,
    'x-effect': automation.effect,
    parameters: [
      {
        name: 'Idempotency-Key',
        in: 'header',
        required: false,
        description: 'Two requests with one key start one run.',
        schema: { type: 'string', minLength: 1, maxLength: 200 },
      },
    ],
    requestBody: {
      required: needsInput,
      content: json(
        { type: 'object', properties, ...(needsInput && { required: ['input'] }), additionalProperties: false },
        examplesOf(automation.examples.map(({ title, input }) => ({ title, input: { input } }))),
      ),
    },
    responses: {
      202: {
        description: 'The run, stored and queued.',
        headers: { Location: { description: 'Where the run is followed.', schema: { type: 'string' } } },
        content: json({ $ref: '#/components/schemas/Run' }),
      },
      default: ERROR,
    },
  };
}
