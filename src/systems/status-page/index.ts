import { matchesGlob } from '../../core/glob.ts';
import type { ServiceState } from '../../core/check.ts';
import type { Exports } from '../../core/exports.ts';
import { defineQuery, NoInput } from '../../core/operation.ts';
import { StatusPage, type StatusPageService, type Uptime, type UptimeDay } from '../../core/status-page.ts';
import type { System } from '../../core/system.ts';

/** What the page is about, as the configuration says. */
export interface StatusPageSettings {
  readonly title: string;
  readonly public: boolean;
  /** Which services, and how they are called there. Empty: all that are watched, under their own names. */
  readonly services: readonly {
    readonly match: string;
    readonly name?: string | undefined;
    readonly group?: string | undefined;
  }[];
}

export interface StatusPageDeps {
  readonly settings: () => StatusPageSettings;
  readonly services: () => Promise<
    readonly {
      readonly resourceId: string;
      readonly name: string;
      readonly state: ServiceState;
      readonly since: Date;
      readonly maintenance?: string | undefined;
    }[]
  >;
  readonly uptime: (
    days: number,
  ) => Promise<(resourceId: string) => { readonly uptime: Uptime; readonly days: UptimeDay[] }>;
  /** The page as a document that needs nothing besides itself. */
  readonly render: (page: StatusPage) => string;
  readonly exports: Pick<Exports, 'write'>;
  readonly now: () => Date;
}

export interface StatusPages extends System {
  /** What it says at this instant; asked by many at once, it is put together once. */
  current(): Promise<StatusPage>;
  /** Of all services under their own names, whatever the configuration shows to others. */
  everything(): Promise<StatusPage>;
}

const DAYS = 90;
/** A page that the whole world may ask for costs no more than this often. */
const FRESH_MS = 5_000;

/** Whether everything works, for those who have no account here. */
export function createStatusPage(deps: StatusPageDeps): StatusPages {
  const { settings, now } = deps;
  let known:
    | { readonly at: number; readonly about: StatusPageSettings; readonly page: Promise<StatusPage> }
    | undefined;

  async function put(about: StatusPageSettings): Promise<StatusPage> {
    const [services, uptime] = await Promise.all([deps.services(), deps.uptime(DAYS)]);
    const shown = chosen(about, services).map(({ service, name, group }): StatusPageService => ({
      name,
      group,
      state: service.state,
      since: service.since,
      maintenance: service.maintenance !== undefined,
      ...uptime(service.resourceId),
    }));
    return { title: about.title, at: now(), public: about.public, ...verdictOf(shown), services: shown };
  }

  async function current(): Promise<StatusPage> {
    const about = settings();
    const at = performance.now();
    if (!known || known.about !== about || at - known.at > FRESH_MS) {
      const page = put(about);
      known = { at, about, page };
      page.catch(() => (known = undefined));
    }
    return await known.page;
  }

  const everything = async (): Promise<StatusPage> => await put({ ...settings(), public: false, services: [] });

  return {
    name: 'status-page',
    current,
    everything,
    operations: [
      defineQuery({
        name: 'status-page',
        title: 'Status page',
        summary:
          'Shows what the status page says: each service, its state, and how much it was up in the last 90 days.',
        permission: 'read',
        input: NoInput,
        output: StatusPage,
        handle: current,
      }),
    ],
    jobs: [
      {
        name: 'status-page-file',
        summary: 'Writes the status of all services to dashboard/automation-status.html, for those who look at a file.',
        schedule: { every: '5m', overlap: 'skip', catchUp: 'skip' },
        async run() {
          await deps.exports.write('dashboard', 'automation-status.html', deps.render(await everything()));
        },
      },
    ],
    async start() {},
    async stop() {},
  };
}

interface Named<Service> {
  readonly service: Service;
  readonly name: string;
  readonly group: string | undefined;
}

/** In the order of the configuration; each service once. */
function chosen<Service extends { readonly resourceId: string; readonly name: string }>(
  { services: wanted }: StatusPageSettings,
  services: readonly Service[],
): Named<Service>[] {
  const byName = services.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  if (wanted.length === 0) return byName.map((service) => ({ service, name: service.name, group: undefined }));
  const taken = new Set<string>();
  return wanted.flatMap(({ match, name, group }) =>
    byName
      .filter((service) => matchesGlob(match, service.name) && !taken.has(service.resourceId))
      .map((service) => {
        taken.add(service.resourceId);
        return { service, name: name ?? service.name, group };
      }),
  );
}

/** The worst of what is not being worked on. What was stopped on purpose is nobody's trouble. */
function verdictOf(services: readonly StatusPageService[]): Pick<StatusPage, 'verdict' | 'sentence'> {
  const busy = services.filter(({ maintenance }) => maintenance);
  const others = services.filter(({ maintenance }) => !maintenance);
  const those = (state: ServiceState): string => listed(others.filter((each) => each.state === state));
  if (those('down') !== '') return { verdict: 'down', sentence: `Not available: ${those('down')}.` };
  if (those('degraded') !== '') return { verdict: 'degraded', sentence: `Slow or restricted: ${those('degraded')}.` };
  if (those('unknown') !== '')
    return { verdict: 'unknown', sentence: `Nobody knows at the moment how this is: ${those('unknown')}.` };
  if (busy.length > 0) return { verdict: 'maintenance', sentence: `Being worked on: ${listed(busy)}.` };
  if (services.length === 0) return { verdict: 'unknown', sentence: 'No service is shown here.' };
  return { verdict: 'ok', sentence: 'Everything works.' };
}

const FEW = 5;

function listed(services: readonly StatusPageService[]): string {
  const names = services.slice(0, FEW).map(({ name }) => name);
  return services.length > FEW ? `${names.join(', ')} and ${services.length - FEW} more` : names.join(', ');
}
