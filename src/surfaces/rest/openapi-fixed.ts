import { WaysIn } from '../../core/identity.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { StreamQuery } from '../live/protocol.ts';
import { CONTENT_TYPES, METRICS_PATH } from './metrics.ts';
import { MANIFEST_PATH } from '../manifest.ts';
import { ERROR, json, type Path } from './openapi-parts.ts';
import { PasskeySignInRequest, SetUpRequest, SignInRequest, WhoAmI } from './requests.ts';
import { API } from './routes.ts';
import { AutomationDetail } from './automation-detail.ts';

/** What is there whatever the catalog holds: signing in, joining, live events, and this description itself. */
export function fixedPaths(): Record<string, Path> {
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
    [METRICS_PATH]: {
      get: {
        tags: ['queries'],
        operationId: 'metrics-scrape',
        summary: 'What this node measures, for Prometheus',
        description:
          'OpenMetrics where the request accepts it, otherwise the text format from before it. Needs a token that may read, unless metrics.public is set.',
        'x-permission': 'read',
        responses: {
          200: {
            description: 'The metrics as they are now.',
            content: Object.fromEntries(
              Object.values(CONTENT_TYPES).map((type) => [type.split(';')[0] ?? type, { schema: { type: 'string' } }]),
            ),
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
            content: json(jsonSchemaOf(AutomationDetail, 'output')),
          },
          default: ERROR,
        },
      },
    },
    [`${API}/live`]: {
      get: {
        ...stream('live', 'What happens, live'),
        description:
          'A WebSocket where the request asks for one, and server-sent events where it does not. docs/guides/live.md has the messages and the codes that it is closed with.',
        responses: {
          101: { description: 'The WebSocket.' },
          ...streamed,
        },
      },
    },
    [`${API}/events/stream`]: {
      get: {
        ...stream('events-stream', 'Events, live'),
        description: 'Server-sent events. A client that reconnects sends Last-Event-ID and misses nothing.',
        responses: streamed,
      },
    },
  };
}

const streamed = {
  200: { description: 'The stream.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
  default: ERROR,
};

function stream(operationId: string, summary: string): Path {
  const { properties = {} } = jsonSchemaOf(StreamQuery, 'input');
  return {
    tags: ['queries'],
    operationId,
    summary,
    'x-permission': 'read',
    parameters: [
      { name: 'Last-Event-ID', in: 'header', required: false, schema: { type: 'integer', minimum: 0 } },
      ...Object.entries(properties).map(([name, { description, ...schema }]) => ({
        name,
        in: 'query',
        required: false,
        ...(description !== undefined && { description }),
        schema,
      })),
    ],
  };
}
