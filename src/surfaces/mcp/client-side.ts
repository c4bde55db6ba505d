import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  CLIENT_INFO_META_KEY,
  type Implementation,
  inputRequired,
  type InputRequiredResult,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Person } from './tool.ts';

const Answer = z.object({ apply: z.boolean() });

/** What the client calls itself, in both eras of the protocol. */
export function clientOf(server: Server, ctx: ServerContext): Implementation | undefined {
  return (envelopeOf(ctx)[CLIENT_INFO_META_KEY] ?? server.getClientVersion()) as Implementation | undefined;
}

/** Undefined where the client did not ask to be told. */
export function progressOf(ctx: ServerContext): ((message: string) => Promise<void>) | undefined {
  const progressToken = ctx.mcpReq._meta?.progressToken;
  if (progressToken === undefined) return undefined;
  let progress = 0;
  return async (message) => {
    progress += 1;
    // Whoever does not listen any more misses nothing that run_get does not tell.
    await ctx.mcpReq
      .notify({ method: 'notifications/progress', params: { progressToken, progress, message } })
      .catch(() => undefined);
  };
}

/** What a request of the stateless era says of its client. */
function envelopeOf(ctx: ServerContext): Readonly<Record<string, unknown>> {
  return ctx.mcpReq.envelope ?? {};
}

/** Undefined where the client cannot ask anybody. */
export function personOf(server: Server, ctx: ServerContext): Person | undefined {
  const declared = envelopeOf(ctx)[CLIENT_CAPABILITIES_META_KEY] ?? server.getClientCapabilities();
  const { elicitation } = (declared ?? {}) as { elicitation?: { form?: unknown; url?: unknown } };
  if (elicitation === undefined || (elicitation.form === undefined && elicitation.url !== undefined)) return undefined;
  const state: unknown = ctx.mcpReq.requestState();
  return {
    answer: typeof state === 'string' ? { state, said: saidOf(ctx) } : undefined,
    ask: ({ message, state: kept }): InputRequiredResult =>
      inputRequired({
        inputRequests: {
          plan: inputRequired.elicit({
            message,
            requestedSchema: z.object({ apply: z.boolean().describe('Start exactly this plan.') }),
          }),
        },
        requestState: kept,
      }),
  };
}

function saidOf(ctx: ServerContext): 'yes' | 'no' | 'nothing' {
  const accepted = acceptedContent(ctx.mcpReq.inputResponses, 'plan', Answer);
  if (accepted) return accepted.apply ? 'yes' : 'no';
  const { action } = (ctx.mcpReq.inputResponses?.['plan'] ?? {}) as { action?: unknown };
  return action === 'decline' ? 'no' : 'nothing';
}
