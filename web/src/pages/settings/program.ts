type Signs = readonly (readonly [sign: string, name: string])[];

const BROWSERS: Signs = [
  ['Firefox/', 'Firefox'],
  ['Edg/', 'Edge'],
  ['OPR/', 'Opera'],
  ['Chrome/', 'Chrome'],
  ['Safari/', 'Safari'],
];
const SYSTEMS: Signs = [
  ['Android', 'Android'],
  ['iPhone', 'iPhone'],
  ['iPad', 'iPad'],
  ['Mac OS', 'Mac'],
  ['Windows', 'Windows'],
  ['Linux', 'Linux'],
];

/** `Firefox on Linux`: what a person would call it. */
export function programOf(userAgent = ''): string {
  const find = (signs: Signs): string | undefined => signs.find(([sign]) => userAgent.includes(sign))?.[1];
  const [browser, system] = [find(BROWSERS), find(SYSTEMS)];
  if (browser !== undefined && system !== undefined) return `${browser} on ${system}`;
  return userAgent.slice(0, 60) || 'An unnamed program';
}
