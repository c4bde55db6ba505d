/** Which log, as the address of the page says it. */
export interface LogsSearch {
  readonly service?: string;
  readonly view?: 'search' | 'failures';
}

export const logsSearchOf = ({ service, view }: Readonly<Record<string, unknown>>): LogsSearch => ({
  ...(typeof service === 'string' && service !== '' && { service }),
  ...((view === 'search' || view === 'failures') && { view }),
});
