import { text } from 'node:stream/consumers';
import { StewardError } from '../../core/errors.ts';
import type { Asked, Told } from './sqlite.ts';
import { codeOf, saidBy } from './failures.ts';
import { perform } from './jobs.ts';
import { openSqlite } from './sqlite-session.ts';

// A process of its own: SQLite works in the thread that asks it, and whatever a migration does can be ended.

let told: Told;
try {
  const { path, waitMs, job } = JSON.parse(await text(process.stdin)) as Asked;
  await using session = openSqlite(path, waitMs);
  told = { answer: await perform(session, job) };
} catch (thrown) {
  const error =
    thrown instanceof StewardError ? thrown : new StewardError(codeOf(thrown), `SQLite says: ${saidBy(thrown)}`);
  const { code, message, hint, retryable } = error;
  told = { error: { code, message, retryable, ...(hint !== undefined && { hint }) } };
}
process.stdout.write(JSON.stringify(told));
