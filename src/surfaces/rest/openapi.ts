import { z } from 'zod';
import type { AnyAutomation } from '../../core/automation.ts';
import type { Catalog } from '../../core/catalog.ts';
import { ErrorBody } from '../../core/errors.ts';
import { WaysIn } from '../../core/identity.ts';
import type { JsonObject } from '../../core/json.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { Run } from '../../core/run.ts';
import { type JsonSchema, jsonSchemaOf } from '../json-schema.ts';
import { MANIFEST_PATH } from '../manifest.ts';
import { PasskeySignInRequest, RunRequest, SetUpRequest, SignInRequest, WhoAmI } from './requests.ts';
import { API, type Route, routesOf } from './routes.ts';

type Path = Record<string, unknown>;

/** The description of the whole API, made of nothing but the catalog: the same catalog gives the same text. */
export function openapi(catalog: Catalog, version: string): JsonObject {
  const paths: Record<string, Path> = { ...fixedPaths() };
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
    ],
    paths: Object.fromEntries(Object.entries(paths).toSorted(([one], [other]) => (one < other ? -1 : 1))),
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'stw_<id>_<secret>' },
        session: { type: 'apiKey', in: 'cookie', name: 'steward_session' },
      },
      schemas: { Run: jsonSchemaOf(Run, 'output'), Error: jsonSchemaOf(z.object({ error: ErrorBody }), 'output') },
    },
  } as unknown as JsonObject;
}

const ERROR = {
  description: 'The error: what happened, why, and what to do next.',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
};

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

function answerOf(operation: AnyOperation): Path {
  const types = operation.kind === 'query' ? operation.download?.types : undefined;
  if (!types) return json(jsonSchemaOf(operation.output, 'output'));
  return Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' } }]));
}

function parameter(name: string, where: 'path' | 'query', schema: JsonSchema = {}, required: boolean): Path {
  const { description, ...rest } = schema;
  return { name, in: where, required, ...(description === undefined ? {} : { description }), schema: rest };
}

function json(schema: JsonSchema, examples: Path = {}): Path {
  return { 'application/json': { schema, ...(Object.keys(examples).length > 0 && { examples }) } };
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

function fixedPaths(): Record<string, Path> {
  const open = { security: [], tags: ['access'] };
  const signedIn = {
    description: 'Signed in; the session is in the cookie.',
    content: json(jsonSchemaOf(WhoAmI, 'output')),
  };
  return {
    [`${API}/health`]: {
      get: {
        ...open,
        operationId: 'health',
        summary: 'Alive',
        responses: {
          200: {
            description: 'This process answers.',
            content: json({ type: 'object', properties: { status: { const: 'alive' } }, required: ['status'] }),
          },
          default: ERROR,
        },
      },
    },
    [`${API}/openapi.json`]: {
      get: {
        tags: ['access'],
        operationId: 'openapi',
        summary: 'This description',
        responses: { 200: { description: 'OpenAPI 3.1.', content: json({ type: 'object' }) }, default: ERROR },
      },
    },
    [MANIFEST_PATH]: {
      get: {
        tags: ['access'],
        operationId: 'commands',
        summary: 'What the command line offers',
        responses: {
          200: {
            description: 'Every command with its words and the schema of its input.',
            content: json({ type: 'object' }),
          },
          default: ERROR,
        },
      },
    },
    [`${API}/me`]: {
      get: {
        tags: ['access'],
        operationId: 'me',
        summary: 'Who asks',
        responses: {
          200: { description: 'The actor behind the credential.', content: json(jsonSchemaOf(WhoAmI, 'output')) },
          default: ERROR,
        },
      },
    },
    [`${API}/sign-in`]: {
      get: {
        ...open,
        operationId: 'ways-in',
        summary: 'How people can sign in here',
        responses: {
          200: { description: 'The ways in.', content: json(jsonSchemaOf(WaysIn, 'output')) },
          default: ERROR,
        },
      },
    },
    [`${API}/login`]: {
      post: {
        ...open,
        operationId: 'login',
        summary: 'Sign in',
        requestBody: { required: true, content: json(jsonSchemaOf(SignInRequest, 'input')) },
        responses: { 200: signedIn, default: ERROR },
      },
    },
    [`${API}/login/passkey/challenge`]: {
      post: {
        ...open,
        operationId: 'login-passkey-challenge',
        summary: 'Begin to sign in with a passkey',
        responses: {
          200: {
            description: 'What the browser needs: PublicKeyCredentialRequestOptions as JSON.',
            content: json({ type: 'object', properties: { options: { type: 'object' } }, required: ['options'] }),
          },
          default: ERROR,
        },
      },
    },
    [`${API}/login/passkey`]: {
      post: {
        ...open,
        operationId: 'login-passkey',
        summary: 'Sign in with a passkey',
        requestBody: { required: true, content: json(jsonSchemaOf(PasskeySignInRequest, 'input')) },
        responses: { 200: signedIn, default: ERROR },
      },
    },
    [`${API}/oidc/start`]: {
      get: {
        ...open,
        operationId: 'oidc-start',
        summary: 'Sign in through the identity provider',
        description: 'For browsers: sends them there.',
        responses: { 302: { description: 'To the identity provider.' }, default: ERROR },
      },
    },
    [`${API}/oidc/callback`]: {
      get: {
        ...open,
        operationId: 'oidc-callback',
        summary: 'Come back from the identity provider',
        description: 'For browsers: signs them in, or sends them to the page with #sign-in= and what was wrong.',
        responses: { 303: { description: 'To the page.' }, default: ERROR },
      },
    },
    [`${API}/logout`]: {
      post: {
        ...open,
        operationId: 'logout',
        summary: 'Sign out',
        responses: {
          200: {
            description: 'Signed out here; at the identity provider, too, once the browser went to this address.',
            content: json({ type: 'object', properties: { redirect: { type: 'string' } }, required: ['redirect'] }),
          },
          204: { description: 'Signed out.' },
          default: ERROR,
        },
      },
    },
    [`${API}/setup`]: {
      get: {
        ...open,
        operationId: 'setup-pending',
        summary: 'Whether the first admin is still to be created',
        responses: {
          200: {
            description: 'Pending or not.',
            content: json({ type: 'object', properties: { pending: { type: 'boolean' } }, required: ['pending'] }),
          },
          default: ERROR,
        },
      },
      post: {
        ...open,
        operationId: 'setup',
        summary: 'Create the first admin',
        requestBody: { required: true, content: json(jsonSchemaOf(SetUpRequest, 'input')) },
        responses: { 200: signedIn, default: ERROR },
      },
    },
    [`${API}/node-invitations/{id}`]: {
      get: {
        ...open,
        operationId: 'node-invitation',
        summary: 'What an invited machine fetches',
        description:
          'Sealed for whoever has the token of the invitation, which is never sent; 404 once it was used or has expired.',
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', pattern: '^[0-9a-f]{20}$' } }],
        responses: {
          200: {
            description: 'The sealed text, base64.',
            content: json({ type: 'object', properties: { sealed: { type: 'string' } }, required: ['sealed'] }),
          },
          default: ERROR,
        },
      },
    },
    [`${API}/automations/{name}`]: {
      get: {
        tags: ['automations'],
        operationId: 'automation',
        summary: 'One automation',
        parameters: [{ name: 'name', in: 'path', required: true, schema: { type: 'string' } }],
        responses: {
          200: {
            description: 'What it does and needs, with the schemas of its input and output.',
            content: json({ type: 'object' }),
          },
          default: ERROR,
        },
      },
    },
    [`${API}/events/stream`]: {
      get: {
        tags: ['queries'],
        operationId: 'events-stream',
        summary: 'Events, live',
        description: 'Server-sent events. A client that reconnects sends Last-Event-ID and misses nothing.',
        parameters: [{ name: 'Last-Event-ID', in: 'header', required: false, schema: { type: 'integer', minimum: 0 } }],
        responses: {
          200: { description: 'The stream.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
          default: ERROR,
        },
      },
    },
  };
}
