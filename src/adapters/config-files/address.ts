/** `host:port`, `[::1]:80`, `unix:/run/app.sock`; the port given stands in where none is written. */
export function addressOf(
  text: string,
  defaultPort?: number,
): { readonly address: string; readonly port: number | undefined } | undefined {
  if (text.startsWith('unix:') || text.startsWith('unix/')) {
    const path = text.slice(5).replace(/^\/\//, '').split(':')[0] ?? '';
    return path.startsWith('/') ? { address: path, port: undefined } : undefined;
  }
  const match = /^(?:\[([0-9a-f:.%]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?$/i.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (!address || port === undefined || port < 1 || port > 65_535) return undefined;
  return { address, port };
}
