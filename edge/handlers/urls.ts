/** Of a URL what may be shown: in its user and its query there may be secrets. */
export function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return 'an address that cannot be read';
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
