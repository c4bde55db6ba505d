/** How long something is to last, as people choose it. */
export const LENGTHS = [
  { value: '15m', label: '15 minutes' },
  { value: '30m', label: 'half an hour' },
  { value: '1h', label: 'an hour' },
  { value: '2h', label: '2 hours' },
  { value: '4h', label: '4 hours' },
  { value: '8h', label: '8 hours' },
  { value: '1d', label: 'a day' },
];

/** The same, and what waits for a spare part. */
export const LONG_LENGTHS = [...LENGTHS, { value: '3d', label: '3 days' }, { value: '7d', label: 'a week' }];
