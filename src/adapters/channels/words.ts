import type { Alert, Message } from '../../core/alert.ts';

/** How the link is called by which somebody takes a problem. */
export const ACKNOWLEDGE = 'Acknowledge';

const COLORS = { critical: '#c92a2a', warning: '#e67700', info: '#1971c2' } as const;
const RESOLVED_COLOR = '#2b8a3e';

export function colorOf({ kind, severity }: Pick<Alert, 'kind' | 'severity'>): string {
  return kind === 'resolved' ? RESOLVED_COLOR : COLORS[severity];
}

/** What an alert is at a glance, in one word. */
export function markOf({ kind, severity }: Pick<Alert, 'kind' | 'severity'>): string {
  if (kind === 'resolved' || kind === 'acknowledged' || kind === 'test') return kind.toUpperCase();
  return severity.toUpperCase();
}

/** What belongs to every message besides its title and text. */
export function factsOf({ severity, service, node }: Alert): readonly (readonly [name: string, value: string])[] {
  return [['Severity', severity], ...(service === undefined ? [] : [['Service', service] as const]), ['Node', node]];
}

/** The same, each as a line of text. */
export function factLines(alert: Alert): string[] {
  return factsOf(alert).map(([fact, value]) => `${fact}: ${value}`);
}

/** What people may open from the message, each as a line of text. */
export function linkLines({ url, acknowledgeUrl }: Pick<Message, 'url' | 'acknowledgeUrl'>): string[] {
  return [
    ...(url === undefined ? [] : [url]),
    ...(acknowledgeUrl === undefined ? [] : [`${ACKNOWLEDGE}: ${acknowledgeUrl}`]),
  ];
}

/** At most so many UTF-16 units, which is how services count, and never half a character. */
export function cut(text: string, length: number): string {
  const whole = text.toWellFormed();
  if (whole.length <= length) return whole;
  return `${whole.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** The same, counted in bytes. */
export function cutBytes(text: string, bytes: number): string {
  let whole = cut(text, bytes);
  while (Buffer.byteLength(whole) > bytes)
    whole = cut(whole, whole.length - Math.ceil((Buffer.byteLength(whole) - bytes) / 3));
  return whole;
}
