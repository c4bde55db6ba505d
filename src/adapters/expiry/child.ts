import { StewardError } from '../../core/errors.ts';
import { perform, write } from '../sources/sqlite/child-kit.ts';
import { openSqlite } from './sqlite-session.ts';
import type { Asked, Told } from './sqlite.ts';
import { clear, lookAt } from './work.ts';

const say: (told: Told) => void = write;

await perform(async (given) => {
  const { path, job } = given as Asked;
  await using session = openSqlite(path, job.do === 'clear');
  try {
    const answer =
      job.do === 'look'
        ? await lookAt(session, job)
        : await clear(session, job, (removed) => say({ said: 'removed', removed }));
    say({ said: 'answer', answer });
  } catch (thrown) {
    if (!(thrown instanceof StewardError)) throw thrown;
    const { code, message, hint } = thrown;
    say({ said: 'refused', code, message, hint });
  }
});
