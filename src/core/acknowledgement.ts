/** What a link in a message leads to: an incident that whoever has the message may acknowledge, and nothing else. */
export interface LinkedIncident {
  readonly id: string;
  readonly title: string;
  readonly channel: string;
  readonly state: 'open' | 'acknowledged' | 'resolved';
  readonly acknowledgedBy?: string | undefined;
}

/** Reads such links, for the surface that they lead to. */
export interface AcknowledgeLinks {
  /** Undefined where the link was not made here, was altered, or is too old; says nothing about which. */
  read(token: string): Promise<LinkedIncident | undefined>;
}

/** Where such links lead, without the token. */
export const ACKNOWLEDGE_PATH = '/api/v1/acknowledge';
