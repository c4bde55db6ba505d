import { userInfo } from 'node:os';

/** Whoever works on the store without a server: the user of the system who holds its home. */
export function localActor() {
  const name = userInfo().username;
  return { kind: 'user', id: `local:${name}`, name, role: 'admin' } as const;
}
