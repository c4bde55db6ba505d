// Whoever is killed under load: what was answered with 202 is in the store and told of once, and handled once. The handlers are
// programs of others, as they are meant to be, told by an endpoint or called by a workflow. Steward takes far more in a second than it
// hands on, so one of five goes to an endpoint and one of sixty starts a workflow; with STEWARD_PROOF=whole every one goes to an endpoint.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withDatabase } from './kit/database.ts';
import {
  eventually,
  freePort,
  makeHome,
  postmasterPid,
  removeHome,
  type RunningSteward,
  sleep,
  startSteward,
} from './kit/steward.ts';
import { type WebhookLoad, webhookLoad } from './kit/webhook-load.ts';

const SECRET = 'bank-secret-7';
const ENV = { WEBHOOK_SECRET_BANK: SECRET, HANDLER_SECRET: `whsec_${Buffer.alloc(24, 7).toString('base64')}` };
/** What a second has to have of webhooks that were answered with 202, right before a kill. */
const A_SECOND = 2_000;
const OFFERED = 2_500;
/** A machine that does not get there by then cannot. */
const WITHIN_MS = 15_000;
const LANES = 8;
const ONE_TOLD_OF = process.env['STEWARD_PROOF'] === 'whole' ? 1 : 5;
/** Of so many senders one does not hear its first answer, and sends again after the kill. */
const ONE_DEAF_OF = 25;
/** So many workflows are begun as the engine ends in a few minutes. */
const ONE_OF = 60;
const STUCK_MS = 90_000;

/** By the id of a webhook: under which idempotency keys it was handled. */
type Handled = Map<string, Set<string>>;

describe('kill -9 under a load of 2,000 webhooks a second', () => {
  const byEndpoint: Handled = new Map();
  const byWorkflow: Handled = new Map();
  let attempts = 0;
  let handlers: Server;
  let home: string;
  let port: number;
  let steward: RunningSteward;
  let load: WebhookLoad;

  const begin = async (): Promise<void> => {
    steward = await startSteward({ home, env: ENV });
  };

  beforeAll(async () => {
    handlers = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        const body = JSON.parse(text) as { id?: string; data?: { id: string } };
        attempts += 1;
        if (request.url === '/workflow') keep(byWorkflow, body.id, request.headers['idempotency-key']);
        else keep(byEndpoint, body.data?.id, request.headers['webhook-id']);
        response.end('{}');
      });
    }).listen(0, '127.0.0.1');
    await once(handlers, 'listening');
    const base = `http://127.0.0.1:${(handlers.address() as AddressInfo).port}`;
    const lanes = Array.from(
      { length: LANES },
      (_, lane) =>
        `    - { name: lane-${lane}, url: '${base}/endpoint', secrets: [{ env: HANDLER_SECRET }], allowPrivate: true, events: [webhook.received], where: [{ from: data.data.lane, equals: ${lane} }] }`,
    );
    port = await freePort();
    home = makeHome(`
discovery: { enabled: false }
http: { allow: [{ host: 127.0.0.1 }] }
policy: [{ automation: call-http, decision: auto, why: 'For the test.' }]
webhooks: { port: ${port}, types: { bank: {} } }
endpoints:
  list:
${lanes.join('\n')}
workflows:
  custom:
    - name: handle
      priority: P3
      triggers: [{ event: webhook.received, where: [{ from: data.data.workflow, equals: true }] }]
      steps:
        - { id: call, automation: call-http, input: { url: '${base}/workflow', json: { id: { from: context.id } }, repeatable: true } }
`);
    await begin();
    load = webhookLoad({
      to: `http://127.0.0.1:${port}/bank`,
      secret: SECRET,
      perSecond: OFFERED,
      bodyOf: (number) => ({
        lane: number % ONE_TOLD_OF === 0 ? (number / ONE_TOLD_OF) % LANES : -1,
        number,
        workflow: number % ONE_OF === 0,
      }),
      isDeaf: (number) => number % ONE_DEAF_OF === 0,
    });
  }, 120_000);
  afterAll(async () => {
    load?.stop();
    await steward?.stop();
    handlers?.closeAllConnections();
    handlers?.close();
    await removeHome(home);
  });

  it('loses none that was answered with 202 and has none handled twice', async () => {
    const rates: { readonly before: string; readonly rate: number }[] = [];
    const underLoad = async (before: string): Promise<void> => {
      load.go();
      let best = 0;
      const fast = async (): Promise<true | undefined> => {
        best = Math.max(best, load.rate());
        return load.rate() >= A_SECOND || undefined;
      };
      const reached = await eventually('the load is there', fast, WITHIN_MS, 20).catch(() => undefined);
      rates.push({ before, rate: reached ? load.rate() : best });
    };
    const killStore = (): void => {
      const pid = postmasterPid(home);
      if (pid === undefined) throw new Error('There is no PostgreSQL to kill.');
      process.kill(pid, 'SIGKILL');
    };

    for (const victims of ['steward', 'postgres', 'both'] as const) {
      await underLoad(`kill -9 of ${victims}`);
      if (victims !== 'steward') killStore();
      if (victims === 'postgres') {
        await sleep(1_000);
        load.pause();
        await eventually('PostgreSQL is there again', async () => postmasterPid(home));
      } else {
        await steward.kill();
        load.pause();
        await begin();
      }
      load.again();
    }
    load.go();
    await sleep(500);
    load.pause();

    const all = await eventually(
      'every sender is answered with 202',
      async () => {
        load.again();
        return load.answered.size === load.begun ? [...load.answered] : undefined;
      },
      120_000,
    );
    const meant = (one: number): string[] => all.flatMap(([number, id]) => (number % one === 0 ? [id] : []));
    const [told, called] = [meant(ONE_TOLD_OF), meant(ONE_OF)];
    await asLongAsItGoesOn(
      () => attempts,
      () => byEndpoint.size >= told.length && byWorkflow.size >= called.length,
    );
    // Whatever would come twice has time to.
    await sleep(5_000);

    const kept = await stored(home);
    const lost = all.flatMap(([, id]) => (kept.has(id) ? [] : [id]));
    const notOnce = all.flatMap(([, id]) => (kept.get(id)?.events === 1 ? [] : [id]));
    const lostByEndpoint = told.filter((id) => !byEndpoint.has(id));
    const lostByWorkflow = called.filter((id) => !byWorkflow.has(id));
    const twice = (handled: Handled): string[] =>
      [...handled].flatMap(([id, keys]) => (keys.size > 1 ? [`${id}: ${[...keys].join(', ')}`] : []));
    // On disk, and its sender did not hear of it.
    const lost202 = [...load.repeated].filter(([number, at]) => {
      const row = kept.get(load.answered.get(number) ?? '');
      return row !== undefined && row.receivedAt < at;
    });
    const slow = rates.filter(({ rate }) => rate < A_SECOND);
    console.info(
      [
        `${all.length} webhooks were answered with 202: ${rates.map(({ before, rate }) => `${rate} in the second before ${before}`).join(', ')}.`,
        ...(slow.length > 0 ? [`THIS MACHINE COULD NOT take ${A_SECOND} a second at that time.`] : []),
        `${load.repeated.size} heard no answer and were sent again under their ids; of ${lost202.length} the first one had been kept.`,
        `In the store: ${kept.size}; lost: ${lost.length} ${list(lost)}; not told of exactly once: ${notOnce.length} ${list(notOnce)}.`,
        `Handled by an endpoint: ${byEndpoint.size} of ${told.length}; lost: ${lostByEndpoint.length} ${list(lostByEndpoint)}; twice: ${twice(byEndpoint).length} ${list(twice(byEndpoint))}.`,
        `Handled by a workflow: ${byWorkflow.size} of ${called.length}; lost: ${lostByWorkflow.length} ${list(lostByWorkflow)}; twice: ${twice(byWorkflow).length} ${list(twice(byWorkflow))}.`,
        `The handlers were asked ${attempts} times.`,
      ].join('\n'),
    );

    expect(load.contradictions).toEqual([]);
    expect(new Set(load.answered.values()).size).toBe(all.length);
    expect({ lost, notOnce }).toEqual({ lost: [], notOnce: [] });
    expect(kept.size).toBe(all.length);
    expect({ lost: lostByEndpoint, twice: twice(byEndpoint) }).toEqual({ lost: [], twice: [] });
    expect({ lost: lostByWorkflow, twice: twice(byWorkflow) }).toEqual({ lost: [], twice: [] });
    expect(called.filter((id) => kept.get(id)?.executions !== 1)).toEqual([]);
    expect(lost202.length).toBeGreaterThan(0);
  }, 1_500_000);
});

function keep(handled: Handled, id: string | undefined, key: string | string[] | undefined): void {
  if (id === undefined || typeof key !== 'string') return;
  const keys = handled.get(id) ?? new Set();
  handled.set(id, keys.add(key));
}

const list = (ids: readonly string[]): string => JSON.stringify(ids);

/** However long it takes, as long as something happens. */
async function asLongAsItGoesOn(progress: () => number, done: () => boolean): Promise<void> {
  for (let [last, since] = [progress(), performance.now()]; !done() && performance.now() - since < STUCK_MS;) {
    await sleep(500);
    if (progress() === last) continue;
    [last, since] = [progress(), performance.now()];
  }
}

interface Kept {
  readonly receivedAt: Date;
  readonly events: number;
  readonly executions: number;
}

/** What the store itself says of each. */
async function stored(home: string): Promise<ReadonlyMap<string, Kept>> {
  return await withDatabase(home, async (client) => {
    const { rows } = await client.query<Kept & { id: string }>(
      `with told as (select data->>'id' as id, count(*)::int as events from events where type = 'webhook.received' group by 1),
        begun as (select delivery_id as id, count(*)::int as executions from webhook_executions group by 1)
      select d.id, received_at as "receivedAt", coalesce(events, 0) as events, coalesce(executions, 0) as executions
      from webhook_deliveries d left join told using (id) left join begun using (id)`,
    );
    return new Map(rows.map(({ id, ...kept }) => [id, kept]));
  });
}
