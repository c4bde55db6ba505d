// What came to no verdict: counted for its address where that is known, answered with a limit as everything is, and written down.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Counters } from '../../../edge/handlers/gateway/counters.ts';
import { ofAddress, type Spent, uncounted } from '../../../edge/handlers/gateway/limits.ts';
import type { ReadyRoutes } from '../../../edge/handlers/gateway/ready.ts';
import type { HeaderValues } from '../../../edge/handlers/gateway/verdict.ts';
import { addressOf, isTrustedProxy } from '../address-of.ts';
import type { AccessLog } from './access-log.ts';
import { bump, type Figures } from './figures.ts';
import { lastWords } from './last-words.ts';
import type { UnjudgedRecord } from './record.ts';

export interface UnjudgedDeps {
  readonly routes: () => ReadyRoutes;
  readonly counters: () => Counters;
  readonly trustedProxies: () => readonly string[];
  readonly accessLog: Pick<AccessLog, 'write'>;
  readonly figures: Figures;
  readonly now: () => Date;
  readonly newId: () => string;
}

/** What it is answered with. */
export interface Told {
  readonly status: number;
  readonly headers: HeaderValues;
  readonly body: { readonly error: string; readonly id: string };
}

export interface Flaw {
  readonly status: number;
  readonly why: string;
}

export interface Unjudged {
  /** A request that was read, and that nobody should judge. */
  flawed(request: IncomingMessage, flaw: Flaw): Promise<Told>;
  /** One that came to grief here, which is not its fault: it does not count. */
  failed(request: IncomingMessage, why: string): Promise<Told>;
  /** No tunnel goes through here. Answered on the connection, like the next. */
  tunnel(request: IncomingMessage, socket: Duplex): void;
  /** What could not be read, or not to its end while `answering`. */
  malformed(why: string, status: number, socket: Duplex, answering: ServerResponse | undefined): void;
  /** The limit that is in force for a request of which a part is still to come; false where that was wrong already, and is answered. */
  goesOn(response: ServerResponse, headers: HeaderValues): boolean;
}

type About = Omit<UnjudgedRecord, 'id' | 'at' | 'limits'>;

const WRONG_HERE = 'Something went wrong here.';
const SAID: Readonly<Record<number, string>> = {
  400: 'The request cannot be read.',
  405: 'Method not allowed',
  408: 'The request did not come in time.',
  413: 'The chunks of the body say more than this gateway takes.',
  429: 'Too many requests',
  431: 'The headers are longer, or more, than this gateway takes.',
};

export function createUnjudged(deps: UnjudgedDeps): Unjudged {
  const { routes, counters, trustedProxies, accessLog, figures, now, newId } = deps;
  const refused = new WeakSet<Duplex>();
  const inForce = new WeakMap<ServerResponse, HeaderValues>();
  /** Wrong while the beginning is being judged. */
  const waiting = new WeakMap<ServerResponse, (inForce: HeaderValues) => void>();

  function note(what: Omit<UnjudgedRecord, 'id' | 'at'>, headers: HeaderValues, error = SAID[what.status]): Told {
    const record: UnjudgedRecord = { id: newId(), at: now().toISOString(), ...what };
    if (what.rule !== 'error') bump(figures.refusals, what.rule);
    bump(figures.byStatus, `${Math.floor(what.status / 100)}xx`);
    accessLog.write(record);
    const { id } = record;
    return { status: what.status, headers: { ...headers, 'x-request-id': id }, body: { error: error ?? '', id } };
  }

  async function spentBy(address: string, count: boolean): Promise<Spent | undefined> {
    if (address === '') return undefined;
    try {
      const means = { counters: counters(), now: now().getTime() };
      return await ofAddress('anonymous', address, { limits: routes().limits, ready: undefined, means, count });
    } catch {
      return undefined;
    }
  }

  async function tell(about: About, count: boolean, error?: string): Promise<Told> {
    const spent = await spentBy(about.address, count);
    const headers = spent?.headers ?? uncounted(routes().limits);
    if (count && spent?.allowed === false)
      return note({ ...about, rule: 'anonymous', status: 429, limits: spent.traces }, headers);
    const { 'retry-after': _, ...shown } = headers;
    return note(about, shown, error);
  }

  function aboutOf(request: IncomingMessage, what: Pick<About, 'rule' | 'status' | 'why'>): About {
    const { method } = request;
    return { ...what, address: addressOf(request, trustedProxies()), ...(method && { method }) };
  }

  function say(socket: Duplex, { status, headers, body }: Told): void {
    if (socket.writable) lastWords(socket, status, headers, body);
    else socket.destroy();
  }

  return {
    flawed: (request, flaw) => tell(aboutOf(request, { rule: 'malformed', ...flaw }), true, flaw.why),
    failed: (request, why) => tell(aboutOf(request, { rule: 'error', status: 500, why }), false, WRONG_HERE),
    tunnel(request, socket) {
      const about = aboutOf(request, { rule: 'malformed', status: 405, why: 'CONNECT' });
      void tell(about, true).then((told) => say(socket, told));
    },
    malformed(why, status, socket, answering) {
      if (refused.has(socket)) return;
      refused.add(socket);
      // What comes until it is answered is for nobody.
      socket.pause();
      const address = (socket as Socket).remoteAddress ?? '';
      const about = { rule: 'malformed', status, why, address } as const;
      if (answering && !answering.req.complete) {
        // It is counted when it is judged.
        const answer = (headers: HeaderValues): void => say(socket, note(about, headers));
        const known = inForce.get(answering);
        if (known) answer(known);
        else waiting.set(answering, answer);
        return;
      }
      // For whom a proxy sent it cannot be known: others must not be kept out for it.
      const count = !isTrustedProxy(address, trustedProxies());
      const answer = (): unknown => tell(about, count).then((told) => say(socket, told));
      // What is wrong is the next one.
      if (answering) answering.once('finish', answer);
      else void answer();
    },
    goesOn(response, headers) {
      const limit = Object.fromEntries(Object.entries(headers).filter(([name]) => /^(x-)?ratelimit/.test(name)));
      const answer = waiting.get(response);
      if (answer) answer(limit);
      else inForce.set(response, limit);
      return !answer;
    },
  };
}
