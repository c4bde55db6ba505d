/** How far back one looks. */
export const SINCE: readonly { readonly value: string; readonly label: string }[] = [
  { value: '15m', label: 'the last 15 minutes' },
  { value: '1h', label: 'the last hour' },
  { value: '6h', label: 'the last 6 hours' },
  { value: '1d', label: 'the last day' },
  { value: '7d', label: 'the last 7 days' },
];
