import { eventually, type RunningSteward, sleep, stewardJson } from './steward.ts';

export interface SeenService {
  readonly id: string;
  readonly name: string;
  readonly product: string;
  readonly state: string;
  readonly supervisor: string;
  readonly supervisorName?: string;
  readonly endpoints: readonly { readonly port: number }[];
}

export interface SeenEvent {
  readonly id: number;
  readonly type: string;
  readonly at: string;
  readonly subject?: { readonly kind: string; readonly id: string };
  readonly data: Readonly<Record<string, unknown>>;
}

interface IncidentInBrief {
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly resourceId?: string;
  readonly parentId?: string;
  readonly occurrences: number;
  readonly resolution?: string;
}

export interface SeenIncident extends IncidentInBrief {
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly timeline: readonly { readonly kind: string; readonly message: string; readonly data?: unknown }[];
  readonly children: readonly IncidentInBrief[];
}

export interface SeenAttempt {
  readonly incidentId: string;
  readonly resourceId: string;
  readonly service: string;
  readonly number: number;
  readonly status: string;
  readonly runId?: string;
  readonly outcome?: string;
}

export interface SeenRun {
  readonly id: string;
  readonly automation: string;
  readonly status: string;
  readonly trigger: string;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly evidence?: unknown }[];
  readonly output?: unknown;
}

/** What a person with a token sees of a running Steward. */
export interface Api {
  readonly url: string;
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: object): Promise<T>;
  services(): Promise<readonly SeenService[]>;
  service(name: string): Promise<SeenService>;
  incident(id: string): Promise<SeenIncident>;
  run(id: string): Promise<SeenRun>;
  attempts(): Promise<readonly SeenAttempt[]>;
  scan(): Promise<void>;
}

export function apiOf(url: string, token: string): Api {
  async function call<T>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await fetch(`${url}/api/v1/${path}`, {
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }
  const get = <T>(path: string): Promise<T> => call<T>(path);
  const services = (): Promise<readonly SeenService[]> => get('services');
  return {
    url,
    get,
    post: (path, body = {}) => call(path, { method: 'POST', body: JSON.stringify(body) }),
    services,
    async service(name) {
      const found = (await services()).find((service) => service.name === name);
      if (!found) throw new Error(`no service is called ${name}`);
      return found;
    },
    incident: (id) => get(`incidents/${id}`),
    run: (id) => get(`runs/${id}`),
    attempts: async () => (await get<{ attempts: SeenAttempt[] }>('healing?limit=500')).attempts,
    scan: async () => void (await call('automation/discovery/scan', { method: 'POST', body: '{}' })),
  };
}

/** As an admin, by a token that the machine's own command line makes. A request costs a fraction of what a command does. */
export async function adminApi({ url, home }: RunningSteward): Promise<{ readonly api: Api; readonly token: string }> {
  const made = await stewardJson<{ token: string }>(home, ['token', 'create', '--role', 'admin', '--name', 'test']);
  return { api: apiOf(url, made.token), token: made.token };
}

/** Everything that Steward tells, from now on; goes on where it was when Steward is started again. */
export interface EventLog {
  readonly events: readonly SeenEvent[];
  /** The first event behind `after` that fits; `after` is a length that `events` had. */
  until(what: string, fits: (event: SeenEvent) => boolean, withinMs: number, after?: number): Promise<SeenEvent>;
  stop(): void;
}

export async function followEvents(url: string, token: string): Promise<EventLog> {
  const events: SeenEvent[] = [];
  const ended = new AbortController();
  const greeted = Promise.withResolvers<void>();
  let last: string | undefined;

  async function read(): Promise<void> {
    const response = await fetch(`${url}/api/v1/events/stream`, {
      headers: { authorization: `Bearer ${token}`, ...(last === undefined ? {} : { 'last-event-id': last }) },
      signal: ended.signal,
    });
    if (!response.ok || !response.body) throw new Error(`events: ${response.status}`);
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const frames = text.split('\n\n');
      text = frames.pop() ?? '';
      for (const frame of frames) {
        const fields = new Map(
          frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
        );
        last = fields.get('id') ?? last;
        const data = JSON.parse(fields.get('data') ?? '{}') as SeenEvent;
        if ('type' in data) events.push(data);
        greeted.resolve();
      }
    }
  }

  void (async () => {
    while (!ended.signal.aborted) {
      await read().catch(() => undefined);
      await sleep(200);
    }
  })();
  await greeted.promise;
  return {
    events,
    until: (what, fits, withinMs, after = 0) => eventually(what, async () => events.slice(after).find(fits), withinMs),
    stop: () => ended.abort(),
  };
}
