import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ACKNOWLEDGE_PATH, type AcknowledgeLinks, type LinkedIncident } from '../../core/acknowledgement.ts';
import type { Actor } from '../../core/actor.ts';
import type { AuditLog } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { type Markup, markup } from '../documents/markup.ts';
import { perform } from '../perform.ts';

const RATE = {
  rateLimit: { max: 30, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `acknowledge:${request.ip}` },
};
const STYLE = `:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
body { margin: 15vh auto; max-width: 34rem; padding: 0 1rem }
h1 { font-size: 1.3rem; overflow-wrap: anywhere }
button { font: inherit; padding: .6rem 1.2rem }
`;

type Params = { Params: { token: string } };

/**
 * Where the links in messages lead. The link is the credential, for one incident and one thing to do with it. Programs that read mail
 * follow every link, so looking changes nothing; only the button does.
 */
export function mountAcknowledge(
  app: FastifyInstance,
  deps: {
    readonly links: AcknowledgeLinks;
    readonly acknowledge: AnyOperation;
    readonly audit: AuditLog;
    readonly now: () => Date;
  },
): void {
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // A form without fields: whatever is in it is of no interest.
    scope.addContentTypeParser('*', { parseAs: 'string', bodyLimit: 1_024 }, (_request, _body, done) => done(null));

    scope.get(`${ACKNOWLEDGE_PATH}.css`, { config: { open: true } }, async (_request, reply) =>
      reply.type('text/css; charset=utf-8').send(STYLE),
    );

    scope.get<Params>(`${ACKNOWLEDGE_PATH}/:token`, { config: { open: true, ...RATE } }, async ({ params }, reply) => {
      const incident = await deps.links.read(params.token);
      return await answer(reply, incident, incident && asking(incident));
    });

    scope.post<Params>(`${ACKNOWLEDGE_PATH}/:token`, { config: { open: true, ...RATE } }, async (request, reply) => {
      const incident = await deps.links.read(request.params.token);
      if (incident?.state !== 'open') return await answer(reply, incident, incident && asking(incident));
      try {
        const call = { actor: actorOf(incident), now: deps.now(), from: request.ip, requestId: request.id };
        await perform(deps.acknowledge, { id: incident.id }, call, deps.audit);
      } catch (thrown) {
        // It ended while somebody pressed the button.
        if (StewardError.from(thrown).code !== 'PRECONDITION_FAILED') throw thrown;
        return await answer(reply, incident, asking({ ...incident, state: 'resolved' }));
      }
      return await answer(reply, incident, markup`<p>Thank you. Everybody sees now that it is taken care of.</p>`);
    });
  });
}

/** Nobody signed in: what is known is by which channel the link came. */
function actorOf({ channel }: LinkedIncident): Actor {
  return {
    kind: 'token',
    id: `link:${channel}`,
    name: `somebody by the link in ${channel}`,
    role: 'operator',
    scope: { permissions: ['operate'], operations: ['acknowledge-incident'] },
  };
}

function asking({ state, acknowledgedBy = '' }: LinkedIncident): Markup {
  if (state === 'resolved') return markup`<p>It is over. Nothing is left to do about it.</p>`;
  if (state === 'acknowledged') return markup`<p>${acknowledgedBy} takes care of it already.</p>`;
  return markup`<form method="post"><button>I take care of it</button></form>`;
}

async function answer(reply: FastifyReply, incident: LinkedIncident | undefined, body: Markup | undefined) {
  const title = incident?.title ?? 'This link is not valid, or no longer';
  const { text } = markup`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<title>${title}</title><link rel="stylesheet" href="${ACKNOWLEDGE_PATH}.css"></head>
<body><main><h1>${title}</h1>
${body ?? markup`<p>A link works for a day. Sign in to Steward to acknowledge the incident.</p>`}
</main></body>
</html>
`;
  return await reply
    .code(incident ? 200 : 404)
    .header('referrer-policy', 'no-referrer')
    .type('text/html; charset=utf-8')
    .send(text);
}
