import type { Check, CheckTarget } from './check.ts';
import { StewardError } from './errors.ts';
import type { DatabaseLogin } from './ports/databases.ts';

type DatabaseTarget = Extract<CheckTarget, { kind: 'postgres' | 'mysql' }>;
type Password = NonNullable<DatabaseTarget['password']>;

/** How monitoring reaches a database, where it may ask it something: what heals it goes the same way, as the same user. */
export function databaseCheckOf(checks: readonly Pick<Check, 'target'>[]): DatabaseTarget | undefined {
  return checks
    .map(({ target }) => target)
    .find(
      (target): target is DatabaseTarget =>
        (target.kind === 'postgres' || target.kind === 'mysql') &&
        target.user !== undefined &&
        target.password !== undefined,
    );
}

/** The login with its password, opened for this one use. */
export async function loginOf(
  target: DatabaseTarget | undefined,
  name: string,
  secret: (reference: Password) => Promise<string>,
): Promise<DatabaseLogin> {
  if (target?.user === undefined || target.password === undefined)
    throw new StewardError('PRECONDITION_FAILED', `Nobody said how to log in to ${name}.`, {
      hint: 'Give its check of the kind postgres or mysql a user and a password in steward.yaml.',
    });
  const { kind, host, port, user } = target;
  const database = 'database' in target ? target.database : undefined;
  return {
    kind,
    host,
    port,
    user,
    password: await secret(target.password),
    ...(database !== undefined && { database }),
  };
}
