import pg from 'pg';
import { translateDatabaseError } from '../store/database-errors.ts';
import { StewardError } from '../core/errors.ts';

/** The sign by which DBOS knows that the database is only away; it knows fewer of them than we do. */
const AWAY = 'ECONNRESET';

/** What this process knows of a workflow that it has in hand; undefined where it has not. */
export type Knowledge = (workflowId: string) => { readonly fresh: boolean } | undefined;

type Ask = (...args: readonly unknown[]) => Promise<unknown>;

/**
 * The pool for DBOS. Its errors say that the database is away wherever it is, so that DBOS waits for it instead of failing a run.
 * And of the seven questions that DBOS asks for a step, the three whose answer is known are answered here: a workflow in hand is not
 * canceled, because Steward cancels by its own rows and whoever takes the workflow over changes its owner, which is compared with
 * every checkpoint; and one that this process has just created has no checkpoint from before.
 */
export function patientPool(pool: pg.Pool, knowledge: Knowledge): pg.Pool {
  const asking =
    (ask: Ask): Ask =>
    async (...args) =>
      knownAnswer(args, knowledge) ?? (await marked(ask(...args)));
  return watched(pool, {
    query: asking(pool.query.bind(pool) as Ask),
    connect: async () => {
      const client = await marked(pool.connect());
      return watched(client, { query: asking(beginningLate(client.query.bind(client) as Ask)) });
    },
  });
}

const OWNER = 'SELECT owner_xid FROM "dbos".workflow_status WHERE workflow_uuid = $1 FOR NO KEY UPDATE';

/** A transaction begins with its first question, in one message where that is whose the workflow is: it is asked for every checkpoint. */
function beginningLate(ask: Ask): Ask {
  let begin: string | undefined;
  return async (text, values) => {
    if (begin === undefined) {
      if (typeof text !== 'string' || !text.startsWith('BEGIN'))
        return await (values === undefined ? ask(text) : ask(text, values));
      begin = text;
      return { rows: [], rowCount: null };
    }
    const begins = begin;
    begin = undefined;
    if (text === 'COMMIT' || text === 'ROLLBACK') return { rows: [], rowCount: null };
    if (text === OWNER && Array.isArray(values)) {
      const answers = await ask(`${begins}; ${OWNER.replace('$1', () => pg.escapeLiteral(String(values[0])))}`);
      return (answers as unknown[])[1];
    }
    await ask(begins);
    return await (values === undefined ? ask(text) : ask(text, values));
  };
}

const STATUS = 'SELECT status FROM "dbos".workflow_status WHERE workflow_uuid=$1';
const CHECKPOINT =
  /^SELECT output, error, child_workflow_id, function_name, serialization\s+FROM "dbos"\.operation_outputs\s+WHERE workflow_uuid=\$1 AND function_id=\$2$/;

function knownAnswer([text, values]: readonly unknown[], knowledge: Knowledge): object | undefined {
  if (typeof text !== 'string' || !Array.isArray(values) || typeof values[0] !== 'string') return undefined;
  const status = text === STATUS;
  if (!status && !CHECKPOINT.test(text)) return undefined;
  const known = knowledge(values[0]);
  if (status && known) return { rows: [{ status: 'PENDING' }], rowCount: 1 };
  return known?.fresh === true && !status ? { rows: [], rowCount: 0 } : undefined;
}

function watched<T extends object>(target: T, instead: Record<string, unknown>): T {
  return new Proxy(target, {
    get(_, name) {
      if (typeof name === 'string' && name in instead) return instead[name];
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

async function marked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    const told = translateDatabaseError(thrown);
    if (told instanceof StewardError && told.code === 'STORE_UNAVAILABLE' && told.retryable && thrown instanceof Error)
      (thrown as { code?: string }).code = AWAY;
    throw thrown;
  }
}
