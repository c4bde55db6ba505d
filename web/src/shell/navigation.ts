export interface Place {
  readonly to: string;
  readonly label: string;
  /** Other words that somebody may look for. */
  readonly words?: string;
}

export interface Neighbourhood {
  readonly label?: string;
  readonly places: readonly Place[];
}

/** Everywhere one can go, in the order of what is needed most. */
export const NAVIGATION: readonly Neighbourhood[] = [
  {
    places: [
      { to: '/', label: 'Home', words: 'overview status now' },
      { to: '/services', label: 'Services', words: 'checks health uptime' },
      { to: '/incidents', label: 'Incidents', words: 'problems alerts outages' },
      { to: '/runs', label: 'Runs', words: 'executions history plans approvals' },
    ],
  },
  {
    label: 'Work',
    places: [{ to: '/automations', label: 'Automations', words: 'catalogue do start plan run restart backup' }],
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

export const PLACES: readonly Place[] = NAVIGATION.flatMap(({ places }) => places);
