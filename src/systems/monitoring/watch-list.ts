import type { Kysely } from 'kysely';
import { type Check, NETWORK_KINDS, type ServiceState } from '../../core/check.ts';
import type { CheckSettings } from '../../core/default-checks.ts';
import { ms } from '../../core/duration.ts';
import type { Inventory } from '../../core/inventory.ts';
import { canonicalJson } from '../../core/json.ts';
import type { Resource } from '../../core/resource.ts';
import { type StoredCheck, isStored, loadChecks, loadStatuses, retireChecks, storeChecks } from './check-store.ts';
import { isWatched, namedChecks } from './checks.ts';
import type { Scheduler } from './scheduler.ts';
import { type WatchParts, WatchedService, type WatchedCheck, watchedCheck } from './service.ts';
import { newCheckState } from './state.ts';
import type { MonitoringTables } from './tables.ts';
import type { WebPortFinder } from './web-ports.ts';

export interface WatchListParts extends WatchParts {
  readonly db: Kysely<MonitoringTables>;
  readonly inventory: Inventory;
  readonly scheduler: Scheduler;
  readonly webPorts: WebPortFinder;
  readonly settings: () => CheckSettings;
}

/** A service that vanished without having been stopped is down; after this long without a trace it is no longer watched. */
const WATCH_GONE_MS = 24 * 3_600_000;

/** Which services this node watches, kept in step with the inventory and the configuration. */
export class WatchList {
  readonly services = new Map<string, WatchedService>();
  readonly #checks = new Map<string, { service: WatchedService; watched: WatchedCheck }>();
  readonly #parts: WatchListParts;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: WatchListParts) {
    this.#parts = parts;
  }

  check(id: string): { service: WatchedService; watched: WatchedCheck } | undefined {
    return this.#checks.get(id);
  }

  /** Looks at every resource of this node again. */
  syncAll(): Promise<void> {
    return this.#inTurn(async () => {
      const { inventory, node } = this.#parts;
      const resources = await inventory.find({ node, state: 'all' });
      const known = new Set(resources.map(({ id }) => id));
      await this.#sync(resources);
      for (const id of this.services.keys()) if (!known.has(id)) await this.#unwatch(id);
    });
  }

  sync(resourceId: string): Promise<void> {
    return this.#inTurn(async () => {
      const resource = await this.#parts.inventory.get(resourceId);
      if (resource && resource.node !== this.#parts.node) return;
      if (resource) await this.#sync([resource]);
      else await this.#unwatch(resourceId);
    });
  }

  /** One change of the list at a time, in the order asked for. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #sync(resources: readonly Resource[]): Promise<void> {
    const { db, node, now, webPorts, settings } = this.#parts;
    const ids = resources.map(({ id }) => id);
    const [stored, statuses] = await Promise.all([loadChecks(db, ids), loadStatuses(db, ids)]);
    const at = now();
    const wanted: { resource: Resource; checks: Check[] }[] = [];
    for (const resource of resources) {
      const rows = stored.get(resource.id) ?? [];
      if (!this.#isKept(resource, statuses.get(resource.id)?.state, at)) {
        await this.#unwatch(
          resource.id,
          rows.some(({ retired }) => !retired),
        );
        continue;
      }
      wanted.push({ resource, checks: rows.filter(({ retired }) => !retired).map(({ check }) => check) });
    }
    await Promise.all(
      wanted.map(async (item) => {
        // Nothing is left to derive checks from; what was watched goes on being watched.
        if (item.resource.state === 'gone') return;
        const web = await webPorts.find(item.resource, item.checks);
        const derived = namedChecks(item.resource, settings(), web);
        item.checks = keepClosedPorts(derived, item.checks);
      }),
    );
    const rows = new Map([...stored.values()].flat().map((row) => [row.check.id, row]));
    const numbers = new Map([...rows.values()].map(({ check, number }) => [check.id, number]));
    const changed = wanted
      .flatMap(({ checks }) => checks)
      .filter((check) => !isStored(check, rows.get(check.id), node));
    for (const [id, number] of await storeChecks(db, changed, node, at)) numbers.set(id, number);
    for (const { resource, checks } of wanted) {
      const retired = (stored.get(resource.id) ?? []).filter(
        (row) => !row.retired && !checks.some(({ id }) => id === row.check.id),
      );
      if (retired.length > 0)
        await retireChecks(
          db,
          retired.map(({ check }) => check.id),
          at,
        );
      this.#watch(resource, checks, rows, numbers, statuses.get(resource.id));
    }
  }

  #isKept(resource: Resource, stored: ServiceState | undefined, at: Date): boolean {
    if (!isWatched(resource, this.#parts.settings())) return false;
    if (resource.state === 'present') return true;
    const state = this.services.get(resource.id)?.state ?? stored;
    const since = resource.goneSince ?? resource.lastSeen;
    return state !== undefined && state !== 'stopped' && at.getTime() - since.getTime() < WATCH_GONE_MS;
  }

  #watch(
    resource: Resource,
    checks: readonly Check[],
    rows: ReadonlyMap<string, StoredCheck>,
    numbers: ReadonlyMap<string, number>,
    memory: { state: ServiceState; since: Date } | undefined,
  ): void {
    const { now, scheduler } = this.#parts;
    const at = now();
    const service =
      this.services.get(resource.id) ??
      new WatchedService(resource, [], memory ?? { state: 'pending', since: at }, this.#parts);
    const before = new Map(service.checks.map((watched) => [watched.check.id, watched]));
    service.resource = resource;
    service.checks = checks.map((check) => {
      const old = before.get(check.id);
      before.delete(check.id);
      // The same object, or a look that is under way would count for nothing.
      if (old && canonicalJson(old.check) === canonicalJson(check)) return old;
      const state = old?.state ?? rows.get(check.id)?.state ?? newCheckState(at);
      return watchedCheck(check, numbers.get(check.id) ?? 0, state);
    });
    this.services.set(resource.id, service);
    for (const id of before.keys()) this.#forget(id);
    for (const watched of service.checks) {
      this.#checks.set(watched.check.id, { service, watched });
      scheduler.add(watched.check.id, ms(watched.check.every));
    }
    service.settle(at);
  }

  async #unwatch(resourceId: string, stored = true): Promise<void> {
    const { db, now } = this.#parts;
    const service = this.services.get(resourceId);
    if (!service && !stored) return;
    await db
      .updateTable('checks')
      .set({ retired_at: now() })
      .where('resource_id', '=', resourceId)
      .where('retired_at', 'is', null)
      .execute();
    await db.deleteFrom('service_statuses').where('resource_id', '=', resourceId).execute();
    this.services.delete(resourceId);
    for (const { check } of service?.checks ?? []) this.#forget(check.id);
    if (service) service.checks = [];
  }

  #forget(checkId: string): void {
    this.#checks.delete(checkId);
    this.#parts.scheduler.remove(checkId);
  }
}

/** Discovery sees no port on a service that is down; that must not take away the check which says so. */
function keepClosedPorts(derived: Check[], before: readonly Check[]): Check[] {
  const onPort = ({ target, origin }: Check): boolean => origin === 'discovered' && NETWORK_KINDS.has(target.kind);
  if (derived.some(({ target }) => NETWORK_KINDS.has(target.kind))) return derived;
  return [...derived, ...before.filter(onPort)];
}
