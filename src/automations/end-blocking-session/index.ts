import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { databaseCheckOf, loginOf } from '../../core/database-login.ts';
import { StewardError } from '../../core/errors.ts';
import type { DatabaseSession } from '../../core/ports/databases.ts';
import { redactText } from '../../core/redact.ts';
import { naming } from '../../core/naming.ts';

const LOOK_EVERY_MS = 250;
const GOES_WITHIN_MS = 5_000;

export default defineAutomation({
  name: 'end-blocking-session',
  version: 1,
  title: 'End the session that blocks a database',
  summary: 'Ends the one session of a database for which the most others wait, where it idles in an open transaction.',
  category: 'healing',
  effect: 'destructive',
  priority: 'P1',
  ifMissed: 'everything that needs the locked rows waits, until connections and patience run out',
  load: 'light',
  needs: ['inventory', 'checks', 'databases'],
  input: z.object({
    service: naming('database', z.string().min(1).describe('Name or id of the database.')),
    idleForSeconds: z
      .number()
      .int()
      .min(1)
      .max(86_400)
      .default(60)
      .describe('It has done nothing in its transaction for so long; what it left open nobody is working on.'),
    evenIfActive: z.boolean().default(false).describe('Also one that is at work on a statement, which is then lost.'),
  }),
  output: z.object({
    service: z.string(),
    ended: z.object({ id: z.string(), user: z.string(), application: z.string() }).nullable(),
    waitedForIt: z.number().int().describe('Sessions that could not go on because of it.'),
  }),
  examples: [{ title: 'A database that everybody waits for', input: { service: 'postgresql' } }],
  safeguards: { timeout: '1m', retry: { attempts: 3, backoff: '1s' } },

  target: ({ service }, inventory) => inventory.resolve(service),

  async analyze({ input, ports, secret, signal }) {
    const resource = await ports.inventory.resolve(input.service);
    if (!resource) {
      throw new StewardError('NOT_FOUND', `Steward knows no service '${input.service}'.`, {
        hint: 'See `steward services` for the names.',
      });
    }
    const login = await loginOf(databaseCheckOf(await ports.checks.of(resource)), resource.name, secret);
    const blocker = worst(await ports.databases.sessions(login, signal));
    return {
      resource: { id: resource.id, name: resource.name, adoption: resource.adoption },
      blocker: blocker && {
        ...blocker.session,
        statement: redactText(blocker.session.statement),
        transactionSeconds: blocker.session.transactionSeconds ?? null,
        waitsFor: [],
        waiting: blocker.waiting,
      },
    };
  },

  async validate({ input }, { resource, blocker }) {
    const adopted = {
      name: `${resource.name} may be acted on`,
      ok: resource.adoption === 'adopted',
      evidence: { adoption: resource.adoption, hint: 'Adopt it first: it was found where others may own it.' },
    };
    if (!blocker) return [adopted];
    const { id, state, stateSeconds, sacred } = blocker;
    return [
      adopted,
      {
        name: `Session ${id} is not in the middle of a backup or of replication`,
        ok: !sacred,
        evidence: { application: blocker.application },
      },
      {
        name: `Nobody works in session ${id}: it has idled in its transaction for ${input.idleForSeconds} s`,
        ok: input.evenIfActive || (state === 'idle-in-transaction' && stateSeconds >= input.idleForSeconds),
        evidence: {
          state,
          seconds: Math.round(stateSeconds),
          hint: 'Wait for it, or end it all the same with --even-if-active.',
        },
      },
    ];
  },

  async plan(_ctx, { blocker }) {
    if (!blocker) return [];
    const { id, user, application, state, waiting } = blocker;
    return [
      {
        id: `end-${id}`,
        title: `End session ${id} of ${user} (${application || 'no application name'}, ${state}), for which ${waiting} wait`,
        reason: 'What it has not committed is rolled back.',
        undo: 'none' as const,
      },
    ];
  },

  // How many wait, and for how long, changes from second to second; whose session it is must not.
  basis: ({ blocker }) => ({ session: blocker?.identity ?? null, state: blocker?.state ?? null }),

  async execute({ ports, secret, signal }, _change, { facts }) {
    if (!facts.blocker) return { ended: false };
    const resource = await ports.inventory.get(facts.resource.id);
    const login = await loginOf(
      resource && databaseCheckOf(await ports.checks.of(resource)),
      facts.resource.name,
      secret,
    );
    return { ended: await ports.databases.end(login, facts.blocker.identity, signal) };
  },

  async verify({ ports, secret, signal }, { facts }) {
    const { blocker } = facts;
    if (!blocker) return [{ name: 'Nobody waits for a lock', ok: true, evidence: {} }];
    const resource = await ports.inventory.get(facts.resource.id);
    const login = await loginOf(
      resource && databaseCheckOf(await ports.checks.of(resource)),
      facts.resource.name,
      secret,
    );
    let left: readonly DatabaseSession[] = [];
    for (let waited = 0; waited <= GOES_WITHIN_MS; waited += LOOK_EVERY_MS) {
      left = await ports.databases.sessions(login, signal);
      if (!left.some(({ identity }) => identity === blocker.identity)) break;
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
    const isThere = left.some(({ identity }) => identity === blocker.identity);
    return [
      { name: `Session ${blocker.id} is gone`, ok: !isThere, evidence: { session: blocker.id } },
      {
        name: 'Nobody waits for it any more',
        ok: !left.some(({ waitsFor }) => isThere && waitsFor.includes(blocker.id)),
        evidence: { waiting: left.filter(({ waitsFor }) => waitsFor.length > 0).length },
      },
    ];
  },

  record({ facts, applied }) {
    const { blocker, resource } = facts;
    const ended = blocker && applied.some(({ receipt }) => receipt.ended);
    return {
      service: resource.name,
      ended: ended ? { id: blocker.id, user: blocker.user, application: blocker.application } : null,
      waitedForIt: blocker?.waiting ?? 0,
    };
  },
});

/** The one at the root: others wait for it, directly or behind each other, and it waits for nobody. Of several, the one with the most. */
function worst(
  sessions: readonly DatabaseSession[],
): { readonly session: DatabaseSession; readonly waiting: number } | null {
  const behind = new Map<string, Set<string>>();
  const reach = (id: string, seen: Set<string>): Set<string> => {
    for (const session of sessions) {
      if (!session.waitsFor.includes(id) || seen.has(session.id)) continue;
      seen.add(session.id);
      reach(session.id, seen);
    }
    return seen;
  };
  for (const { id, waitsFor } of sessions) if (waitsFor.length === 0) behind.set(id, reach(id, new Set()));
  const [first] = sessions
    .map((session) => ({ session, waiting: behind.get(session.id)?.size ?? 0 }))
    .filter(({ waiting }) => waiting > 0)
    .toSorted(
      (a, b) => b.waiting - a.waiting || (b.session.transactionSeconds ?? 0) - (a.session.transactionSeconds ?? 0),
    );
  return first ?? null;
}
