import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { databaseCheckOf, loginOf } from '../../core/database-login.ts';
import { StewardError } from '../../core/errors.ts';
import type { DatabaseSession } from '../../core/ports/databases.ts';
import { naming } from '../../core/naming.ts';

const LOOK_EVERY_MS = 250;
const GO_WITHIN_MS = 5_000;

export default defineAutomation({
  name: 'recycle-connections',
  version: 1,
  title: 'Recycle idle connections',
  summary: 'Closes connections of a database that idle for long, so that those who wait for one get it.',
  category: 'healing',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'the database refuses new connections, while forgotten ones hold their places',
  load: 'light',
  needs: ['inventory', 'checks', 'databases'],
  input: z.object({
    service: naming('database', z.string().min(1).describe('Name or id of the database.')),
    idleForSeconds: z
      .number()
      .int()
      .min(1)
      .max(604_800)
      .default(300)
      .describe('A connection that did something within this time stays.'),
    user: z
      .string()
      .min(1)
      .optional()
      .describe('Only connections of this user; by default of the one who has the most idle ones.'),
    atMost: z.number().int().min(1).max(400).default(50).describe('At most so many, the longest idle first.'),
  }),
  output: z.object({
    service: z.string(),
    user: z.string().nullable().describe('Whose connections were closed.'),
    closed: z.number().int(),
    usedBefore: z.number().int(),
    usedAfter: z.number().int(),
    limit: z.number().int().describe('Connections that the database allows.'),
  }),
  examples: [
    { title: 'A database without a free connection', input: { service: 'postgresql' } },
    {
      title: 'A pool that leaks, all that is older than a minute',
      input: { service: 'postgresql', user: 'app', idleForSeconds: 60 },
    },
  ],
  safeguards: { timeout: '2m', retry: { attempts: 3, backoff: '1s' } },

  target: ({ service }, inventory) => inventory.resolve(service),

  async analyze({ input, ports, secret, signal }) {
    const resource = await ports.inventory.resolve(input.service);
    if (!resource) {
      throw new StewardError('NOT_FOUND', `Steward knows no service '${input.service}'.`, {
        hint: 'See `steward services` for the names.',
      });
    }
    const login = await loginOf(databaseCheckOf(await ports.checks.of(resource)), resource.name, secret);
    const { limit, used } = await ports.databases.connections(login, signal);
    const idle = (await ports.databases.sessions(login, signal)).filter((session) =>
      mayGo(session, input.idleForSeconds),
    );
    const user = input.user ?? busiest(idle);
    const chosen = idle
      .filter((session) => session.user === user)
      .toSorted((a, b) => b.stateSeconds - a.stateSeconds)
      .slice(0, input.atMost);
    return {
      resource: { id: resource.id, name: resource.name, adoption: resource.adoption },
      limit,
      used,
      user: user ?? null,
      connections: chosen.map(({ id, identity, application }) => ({ id, identity, application })),
    };
  },

  async validate(_ctx, { resource }) {
    return [
      {
        name: `${resource.name} may be acted on`,
        ok: resource.adoption === 'adopted',
        evidence: { adoption: resource.adoption, hint: 'Adopt it first: it was found where others may own it.' },
      },
    ];
  },

  async plan(_ctx, { user, connections }) {
    return connections.map(({ id, application }) => ({
      id: `close-${id}`,
      title: `Close connection ${id} of ${user} (${application || 'no application name'})`,
      undo: 'none' as const,
    }));
  },

  // Connections come and go; each is looked at again before it is closed, and none goes that was not in the plan.
  basis: ({ user }) => ({ user }),

  async execute({ input, ports, secret, signal }, change, { facts }) {
    const connection = facts.connections.find(({ id }) => change.id === `close-${id}`);
    if (!connection) return { closed: false };
    const resource = await ports.inventory.get(facts.resource.id);
    const login = await loginOf(
      resource && databaseCheckOf(await ports.checks.of(resource)),
      facts.resource.name,
      secret,
    );
    const now = (await ports.databases.sessions(login, signal)).find(
      ({ identity }) => identity === connection.identity,
    );
    // Whoever works in it again by now keeps it.
    if (!now || !mayGo(now, input.idleForSeconds)) return { closed: false };
    return { closed: await ports.databases.end(login, connection.identity, signal) };
  },

  async verify({ ports, secret, signal }, { facts, applied }) {
    const resource = await ports.inventory.get(facts.resource.id);
    const login = await loginOf(
      resource && databaseCheckOf(await ports.checks.of(resource)),
      facts.resource.name,
      secret,
    );
    const closed = new Set(
      facts.connections
        .filter(({ id }) => applied.some(({ change, receipt }) => change.id === `close-${id}` && receipt.closed))
        .map(({ identity }) => identity),
    );
    let left: readonly DatabaseSession[] = [];
    for (let waited = 0; waited <= GO_WITHIN_MS; waited += LOOK_EVERY_MS) {
      left = (await ports.databases.sessions(login, signal)).filter(({ identity }) => closed.has(identity));
      if (left.length === 0) break;
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
    const { used, limit } = await ports.databases.connections(login, signal);
    return [
      {
        name: 'The connections that were closed are gone',
        ok: left.length === 0,
        evidence: { closed: closed.size, left: left.map(({ id }) => id) },
      },
      {
        name: `${facts.resource.name} has connections left`,
        ok: used < limit,
        evidence: { used, limit },
      },
    ];
  },

  record({ facts, applied, checks }) {
    const evidence = z.object({ used: z.number() }).safeParse(checks.at(-1)?.evidence);
    return {
      service: facts.resource.name,
      user: facts.user,
      closed: applied.filter(({ receipt }) => receipt.closed).length,
      usedBefore: facts.used,
      usedAfter: evidence.data?.used ?? facts.used,
      limit: facts.limit,
    };
  },
});

/** Idle, and not in a transaction: whoever is in one has work that would be lost. */
function mayGo({ state, stateSeconds, sacred }: DatabaseSession, idleForSeconds: number): boolean {
  return state === 'idle' && stateSeconds >= idleForSeconds && !sacred;
}

function busiest(idle: readonly DatabaseSession[]): string | undefined {
  return [...Map.groupBy(idle, ({ user }) => user)].toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0];
}
