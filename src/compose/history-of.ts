import type { Incidents } from '../core/incident.ts';
import type { HistoryPort, ReportingSettings } from '../core/ports/history.ts';
import { countEvents } from '../store/event-counts.ts';
import type { EventTables } from '../store/event-tables.ts';
import type { Store } from '../store/store.ts';
import type { Databases } from '../systems/databases/index.ts';
import type { Monitoring } from '../systems/monitoring/index.ts';
import type { Reports } from '../systems/reports/index.ts';

/** What the systems wrote down, in the words of reports. */
export function historyOf({
  store,
  monitoring,
  incidents,
  databases,
  reports,
  node,
  settings,
}: {
  readonly store: Pick<Store, 'db'>;
  readonly monitoring: Pick<Monitoring, 'uptimes'>;
  readonly incidents: Pick<Incidents, 'unresolved'>;
  readonly databases: Pick<Databases, 'figures'>;
  readonly reports: Pick<Reports, 'scores'>;
  readonly node: string;
  readonly settings: () => ReportingSettings;
}): HistoryPort {
  const db = store.db.withTables<EventTables>();
  return {
    settings: async () => settings(),
    uptimes: (since) => monitoring.uptimes(since),
    counts: (types, { from, to, here }) => countEvents(db, types, { from, to, node: here ? node : undefined }),
    databases: () => databases.figures(),
    scores: (stretch) => reports.scores(stretch),
    openIncidents: async () => (await incidents.unresolved()).map(({ title }) => title),
  };
}
