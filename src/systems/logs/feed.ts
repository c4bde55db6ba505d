import { StewardError } from '../../core/errors.ts';
import type { Line, LineFeed } from '../../core/lines.ts';
import type { Resource } from '../../core/resource.ts';
import type { LogsDeps } from './deps.ts';
import { cleaned } from './clean.ts';
import { ALL, componentHere, componentsHere, OWN } from './components.ts';

const BACKLOG = 500;
const FOLLOWED_AT_ONCE = 100;

type Emit = (lines: readonly Line[]) => void;

/** Follows each log once, however many listen to it. */
export function createFeed(deps: LogsDeps): LineFeed {
  const { inventory, logs, own, node, now, log } = deps;
  const followed = new Map<string, { readonly listeners: Set<Emit>; readonly stop: AbortController }>();

  function join(resource: Resource, emit: Emit): () => void {
    const { id } = resource;
    let known = followed.get(id);
    if (!known) {
      if (followed.size >= FOLLOWED_AT_ONCE) {
        log.warn('log not followed: too many are', { service: resource.name, limit: FOLLOWED_AT_ONCE });
        return () => undefined;
      }
      const listeners = new Set<Emit>();
      const stop = new AbortController();
      followed.set(id, (known = { listeners, stop }));
      const tell: Emit = (lines) => {
        for (const listener of listeners) listener(lines);
      };
      const current = async (): Promise<Resource | undefined> => await inventory.get(id).catch(() => undefined);
      void logs
        .follow(current, (lines) => tell(cleaned(lines, resource.name, now())), stop.signal)
        .catch((thrown: unknown) =>
          log.warn('log not followed any more', { service: resource.name, reason: StewardError.from(thrown).message }),
        );
    }
    const { listeners, stop } = known;
    listeners.add(emit);
    return () => {
      listeners.delete(emit);
      if (listeners.size > 0) return;
      stop.abort();
      followed.delete(id);
    };
  }

  /** What comes waits until what was there has been told, so that the order holds; what is in both is told once. */
  async function listenToOne(
    resource: Resource,
    since: Date | undefined,
    emit: Emit,
    signal: AbortSignal,
  ): Promise<void> {
    let waiting: Line[] | undefined = since && [];
    const leave = join(resource, (lines) => {
      if (waiting && waiting.length < BACKLOG) waiting.push(...lines);
      else emit(lines);
    });
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) return leave();
    if (!since) return;
    const raw = await logs.read(resource, { lines: BACKLOG, since }).catch(() => []);
    const backlog = cleaned(raw, resource.name, now()).filter(({ at }) => at >= since);
    const told = new Set(backlog.map(({ at, text }) => `${at.getTime()} ${text}`));
    const rest = (waiting ?? []).filter(({ at, text }) => !told.has(`${at.getTime()} ${text}`));
    waiting = undefined;
    if (!signal.aborted) emit([...backlog, ...rest]);
  }

  /** Also what appears while somebody listens. */
  async function listenToAll(since: Date | undefined, emit: Emit, signal: AbortSignal): Promise<void> {
    const heard = new Set<string>();
    while (!signal.aborted) {
      for (const resource of await componentsHere(inventory, node.id).catch(() => [])) {
        if (heard.has(resource.id)) continue;
        void listenToOne(resource, heard.size === 0 || since ? since : undefined, emit, signal);
        heard.add(resource.id);
      }
      await deps.pause(signal);
    }
  }

  function listenToOwn(since: Date | undefined, emit: Emit, signal: AbortSignal): void {
    if (since) emit(own.recent().filter(({ at }) => at >= since));
    const off = own.on((line) => emit([line]));
    signal.addEventListener('abort', off, { once: true });
  }

  return {
    async assertKnown(name) {
      if (name !== OWN && name !== ALL) await componentHere(name, deps);
    },
    listen(name, { since }, emit, signal) {
      if (name === OWN || name === ALL) listenToOwn(since, emit, signal);
      if (name === ALL) void listenToAll(since, emit, signal);
      if (name === OWN || name === ALL) return;
      void componentHere(name, deps)
        .then((resource) => listenToOne(resource, since, emit, signal))
        .catch((thrown: unknown) => log.debug('log not followed', { reason: StewardError.from(thrown).message }));
    },
  };
}
