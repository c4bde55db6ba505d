import type { Permission } from '../session/session.tsx';

export interface Place {
  readonly to: string;
  readonly label: string;
  /** Other words that somebody may look for. */
  readonly words?: string;
  /** Not shown to whoever would be refused there. */
  readonly needs?: Permission;
}

export interface Neighbourhood {
  readonly label?: string;
  readonly places: readonly Place[];
}

/** Everywhere one can go, in the order of what is needed most. */
const NAVIGATION: readonly Neighbourhood[] = [
  {
    places: [
      { to: '/', label: 'Home', words: 'overview status now' },
      { to: '/services', label: 'Services', words: 'checks health uptime' },
      { to: '/places', label: 'Places', words: 'probes regions elsewhere votes uplink multi-region invite' },
      { to: '/machine', label: 'Machine', words: 'metrics cpu memory disk load network charts forecast' },
      { to: '/topology', label: 'Topology', words: 'dependencies graph blast radius mermaid' },
      { to: '/incidents', label: 'Incidents', words: 'problems alerts outages' },
      { to: '/runs', label: 'Runs', words: 'executions history plans approvals' },
    ],
  },
  {
    label: 'Work',
    places: [
      { to: '/automations', label: 'Automations', words: 'catalogue do start plan run restart backup' },
      { to: '/workflows', label: 'Workflows', words: 'chains executions steps' },
      { to: '/schedules', label: 'Schedules', words: 'cron timers week pause next' },
      { to: '/heartbeats', label: 'Heartbeats', words: 'foreign jobs cron ping dead man' },
      { to: '/maintenance', label: 'Maintenance', words: 'windows quiet' },
      { to: '/webhooks', label: 'Webhooks', words: 'incoming hooks received refused replay pause signature dead' },
      { to: '/gateway-status', label: 'Gateway', words: 'routes api keys limits refused explain upstreams proxy' },
      { to: '/endpoints', label: 'Endpoints', words: 'outgoing webhooks deliveries subscriptions replay' },
      {
        to: '/alerts',
        label: 'Alerts',
        words:
          'silences silence quiet routes channels who is told escalation interruptions budget pages precision proposals',
      },
    ],
  },
  {
    label: 'Data',
    places: [
      { to: '/backups', label: 'Backups', words: 'copies restore proof rpo rto' },
      { to: '/databases', label: 'Databases', words: 'size growth indexes vacuum slow' },
    ],
  },
  {
    label: 'Record',
    places: [
      { to: '/changes', label: 'What changed', words: 'timeline deploys packages history flight recorder' },
      { to: '/logs', label: 'Logs', words: 'lines search failures tail' },
      { to: '/checklists', label: 'Checklists', words: 'tasks weekly monthly quarterly todo review' },
      { to: '/reports', label: 'Reports', words: 'health performance week summary score daily' },
      { to: '/audit', label: 'Audit', words: 'audit log who security export trail', needs: 'audit' },
    ],
  },
  {
    label: 'Steward',
    places: [
      {
        to: '/settings',
        label: 'Settings',
        words: 'account password authenticator passkeys sessions users tokens channels nodes policy configuration',
      },
    ],
  },
];

/** The same, as far as somebody may go. */
export const navigationFor = (may: (permission: Permission) => boolean): readonly Neighbourhood[] =>
  NAVIGATION.map(({ places, ...more }) => ({
    ...more,
    places: places.filter(({ needs }) => needs === undefined || may(needs)),
  }));
