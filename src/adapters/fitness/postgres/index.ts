import type { DatabaseEngine } from '../../../core/database/engine.ts';
import { StewardError } from '../../../core/errors.ts';
import { accessTo } from '../../sources/postgres/access.ts';
import type { EngineDeps } from '../deps.ts';
import { advise } from './advise.ts';
import { lookAt } from './look.ts';
import { plansOf } from './plans.ts';
import { dropInvalid, reindex } from './reindex.ts';
import { tend } from './vacuum.ts';

/** PostgreSQL, reached as its backup source says. What it does stops nobody: VACUUM FULL and plain REINDEX are not in here. */
export function createPostgresEngine(deps: EngineDeps): DatabaseEngine<'postgres'> {
  const { lockMs, now, machineOf } = deps;
  return {
    kind: 'postgres',

    async look(at, wanted, doing) {
      return await lookAt(at, await accessTo(at.source, deps), wanted, { doing, now, machineOf });
    },

    async plans({ source }, databases, doing) {
      return await plansOf(await accessTo(source, deps), source, databases, doing);
    },

    async advise({ source, sandbox }, slow, doing) {
      return await advise(await accessTo(source, deps), slow, { throwAway: sandbox === true, doing });
    },

    async perform({ source }, task, doing, bounds) {
      const access = await accessTo(source, deps);
      const patience = { lockMs: lockMs(), doing, bounds };
      switch (task.kind) {
        case 'vacuum':
        case 'analyze':
          return await tend(access, { ...task, kind: task.kind }, patience);
        case 'reindex':
          return await reindex(access, task, patience);
        case 'drop-invalid-index':
          return await dropInvalid(access, task, patience);
        case 'rebuild':
        case 'checkpoint':
        case 'defragment':
          throw new StewardError('NOT_IMPLEMENTED', `PostgreSQL has no ${task.kind} that stops nobody.`, {
            hint: 'VACUUM FULL needs a person, and a time in which nobody needs the table.',
          });
      }
    },
  };
}
