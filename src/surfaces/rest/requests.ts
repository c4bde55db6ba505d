import { z } from 'zod';
import { Actor } from '../../core/actor.ts';
import { naming } from '../../core/naming.ts';

export const RunRequest = z.strictObject({
  input: z.unknown().optional().describe('What the automation works on and how.'),
  dryRun: z.boolean().default(false).describe('Stop after the plan.'),
  reason: z.string().trim().min(1).max(1_000).optional().describe('Why; it stands in the record.'),
  planToken: z.string().min(1).max(500).optional().describe('Of a dry run: starts the plan it shows, and no other.'),
  place: z
    .strictObject({
      node: naming('node', z.string().min(1).max(200)).optional().describe('This node, by name or id.'),
      labels: z.record(z.string().max(63), z.string().max(63)).optional().describe('A node that has these labels.'),
    })
    .optional()
    .describe('Where it runs, for what no target ties to a machine.'),
});

export const SignInRequest = z.strictObject({
  name: z.string().min(1).max(100),
  password: z.string().min(1).max(200),
  code: z
    .string()
    .min(1)
    .max(40)
    .optional()
    .describe('Of the authenticator app, where one is enrolled, or a recovery code.'),
});

export const PasskeySignInRequest = z.strictObject({
  response: z.record(z.string(), z.json()).describe("The browser's answer to the challenge."),
});

export const SetUpRequest = z.strictObject({
  token: z.string().min(1).max(100).describe('What stands behind the # of the set-up link.'),
  name: z.string().min(1).max(100),
  password: z.string().min(1).max(200),
});

export const WhoAmI = Actor.pick({ kind: true, id: true, name: true, role: true, scope: true }).extend({
  signedIn: z.boolean().describe('Whether a person sits behind it, rather than a token.'),
  permissions: z.array(z.string()),
});
