/** Names below a folder come right behind it: the order of a walk, and of everything that is compared. */
export function byName(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const [here, there] = [one.charCodeAt(at), other.charCodeAt(at)];
    if (here !== there) return here === SLASH ? -1 : there === SLASH ? 1 : here - there;
  }
  return one.length - other.length;
}
const SLASH = 0x2f;
