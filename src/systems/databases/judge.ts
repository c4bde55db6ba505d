import type { DatabaseLook } from '../../core/database/look.ts';
import { formatDuration } from '../../core/duration.ts';
import type { NewIncident } from '../../core/incident.ts';
import type { DatabaseSettings } from './deps.ts';
import { jumpIn, type SizeAt } from './trend.ts';

export interface Judged extends NewIncident {
  /** Undefined where that could not be seen: what is open stays open. */
  readonly wrong: boolean | undefined;
}

/** A slot that holds back so much keeps the disk of the server from being freed. */
const SLOT_BYTES = 10 * 1024 ** 3;
const FULL = 0.95;
const WRAPAROUND_CRITICAL = 0.75;

/** What of a database is wrong, and what is not: each is one incident for as long as it holds. */
export function judge(
  look: DatabaseLook,
  {
    before,
    history,
    critical,
    settings,
    node,
    now,
  }: {
    /** The look before, for what is wrong only when it stays. */
    readonly before: DatabaseLook | undefined;
    readonly history: readonly SizeAt[];
    readonly critical: boolean;
    readonly settings: DatabaseSettings;
    readonly node: string;
    readonly now: Date;
  },
): Judged[] {
  const { source, connections, longestTransactionSeconds, wraparound, partial = false } = look;
  const severity = critical ? 'critical' : 'warning';
  const one = (
    what: string,
    title: string,
    {
      wrong,
      evidence,
      worse = false,
    }: { wrong: boolean | undefined; evidence: NewIncident['evidence']; worse?: boolean },
  ): Judged => ({
    fingerprint: `database.${what}:${node}:${source}`,
    symptom: `database.${what}`,
    title: `${title}: ${source}`,
    severity: worse ? 'critical' : severity,
    wrong,
    evidence,
  });
  const used = connections && connections.used / connections.limit;
  const behind = (look.replicas ?? []).filter(
    ({ lagSeconds, lagBytes }) => (lagSeconds ?? 0) * 1_000 > settings.lagMs || (lagBytes ?? 0) > SLOT_BYTES,
  );
  const stillInvalid = look.indexes.filter(
    ({ valid, database, name }) =>
      !valid && before?.indexes.some((index) => !index.valid && index.database === database && index.name === name),
  );
  // A server that was started again counts from the beginning.
  const refused =
    connections?.refused === undefined || before?.connections?.refused === undefined
      ? undefined
      : Math.max(0, connections.refused - before.connections.refused);
  const openMs = longestTransactionSeconds === undefined ? undefined : longestTransactionSeconds * 1_000;
  const jump = jumpIn(history, now, settings.growth);
  return [
    one('connections', 'Nearly all connections of a database are in use', {
      wrong: used === undefined ? undefined : used >= settings.connections,
      worse: (used ?? 0) >= FULL,
      evidence: connections ? { ...connections } : null,
    }),
    one('wraparound', 'The transaction ids of a database run out', {
      wrong: wraparound === undefined ? undefined : wraparound >= settings.wraparound,
      worse: (wraparound ?? 0) >= WRAPAROUND_CRITICAL,
      evidence: {
        usedPercent: Math.round((wraparound ?? 0) * 1_000) / 10,
        hint: 'Find what keeps VACUUM from advancing: old transactions, prepared ones, replication slots. Then VACUUM the oldest database.',
      },
    }),
    one('long-transaction', 'A transaction has been open for very long', {
      wrong: openMs === undefined ? undefined : openMs > settings.longTransactionMs,
      evidence: { openFor: formatDuration(openMs ?? 0) },
    }),
    one('replica-lag', 'A replica of a database is behind', {
      wrong: look.replicas || look.kind !== 'mysql' ? behind.length > 0 : undefined,
      evidence: behind.map(({ name, lagSeconds, lagBytes }) => ({ name, lagSeconds, lagBytes })),
    }),
    one('invalid-index', 'An index of a database is invalid', {
      wrong: stillInvalid.length > 0 || (partial ? undefined : false),
      evidence: stillInvalid.slice(0, 20).map(({ database, name, table }) => ({ database, name, table })),
    }),
    one('growth', 'A database grows much faster than usual', {
      wrong: partial ? undefined : jump !== undefined,
      evidence: jump
        ? { grownBytes: jump.grownBytes, usuallyBytes: jump.usuallyBytes, within: formatDuration(jump.windowMs) }
        : null,
    }),
    one('refused', 'A database refused connections', {
      wrong: refused === undefined ? undefined : refused > 0,
      evidence: { refused: refused ?? 0, limit: connections?.limit ?? 0 },
    }),
    ...(look.warnings ?? []).map(({ what, hint }) => {
      const told = one('warning', 'A database says that something is wrong with it', {
        wrong: true,
        evidence: { what, hint },
      });
      // Each is an incident of its own, whatever its figures are at the moment.
      return { ...told, fingerprint: `${told.fingerprint}:${what.replaceAll(/[\d.]+/g, '#').slice(0, 80)}` };
    }),
  ];
}
