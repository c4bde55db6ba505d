import type { AnyAutomation } from '../core/automation.ts';

export interface Claim {
  /** May use the reserved places, and goes before everybody else who waits. */
  readonly healing?: boolean | undefined;
  /** Heavy ones of a kind are worked on one at a time. */
  readonly load: AnyAutomation['load'];
  /** What must not overlap: one claim at a time for each. */
  readonly partition?: string | undefined;
  /** What others that wait for it are told. */
  readonly what?: string | undefined;
  /** Told why it does not begin though a place is free. */
  readonly told?: ((reason: string) => void) | undefined;
}

export interface Place {
  /** Gives it back. Harmless twice. */
  leave(): void;
  /**
   * Lets whoever waits for heavy work of this kind have a turn, and resolves when the turn is ours again: at once where nobody does.
   * What is in the same partition goes on waiting. Rejects with the signal's reason, and the place is then to be left.
   */
  giveWay(signal: AbortSignal): Promise<void>;
}

export interface Admission {
  /** Rejects with the signal's reason. */
  take(claim: Claim, signal: AbortSignal): Promise<Place>;
  counts(): { readonly running: number; readonly waiting: number };
}

export interface AdmissionOptions {
  /** Places in all. */
  readonly runs: number;
  /** How many of them only healing gets. */
  readonly healing: number;
  /** Asked for heavy work that could begin otherwise; it begins when this resolves. Healing is not asked. */
  readonly headroom?: ((claim: Claim, signal: AbortSignal) => Promise<void>) | undefined;
}

interface Waiting {
  readonly claim: Claim;
  readonly signal: AbortSignal;
  readonly begin: () => void;
  readonly fail: (reason: unknown) => void;
  headroom: 'unknown' | 'asked' | 'there';
  told?: string;
}

const isHeavy = ({ load }: Claim): boolean => load !== 'light';
/** Healing is held up by nobody's dump or scan. */
const collide = (claim: Claim, other: Claim): boolean => isHeavy(claim) && !claim.healing && other.load === claim.load;

/**
 * The places in which this node works. In the order of asking, except that who waits for a partition or for heavy work of
 * its kind is overtaken by those who need not; within a partition nobody is overtaken but by healing.
 */
export function createAdmission({ runs, healing, headroom }: AdmissionOptions): Admission {
  const running = new Set<Claim>();
  let waiting: Waiting[] = [];

  /** Begins everything that can. The order is a function of who waits and who runs alone. */
  function admit(): void {
    const passed = new Set<string>();
    const asking = new Set(waiting.filter((one) => one.headroom === 'asked').map((one) => one.claim.load));
    const healingFirst = waiting.toSorted(
      (a, b) => Number(b.claim.healing ?? false) - Number(a.claim.healing ?? false),
    );
    for (const one of healingFirst) {
      const { claim } = one;
      const turn = claim.partition === undefined || !passed.has(claim.partition);
      if (turn && isFree(claim)) {
        if (headroom && isHeavy(claim) && !claim.healing && one.headroom !== 'there') {
          if (!asking.has(claim.load)) askForHeadroom(headroom, one);
          asking.add(claim.load);
        } else {
          waiting = waiting.filter((other) => other !== one);
          running.add(claim);
          one.begin();
          continue;
        }
      }
      if (claim.partition !== undefined) passed.add(claim.partition);
      tellWhom(one);
    }
  }

  /** A heavy one says for which other it waits. */
  function tellWhom(one: Waiting): void {
    const other = [...running].find((each) => collide(one.claim, each));
    if (!other || one.told === other.what || other.what === undefined) return;
    one.told = other.what;
    one.claim.told?.(`waits for ${other.what}: of what is ${other.load}-heavy, one at a time works on a node`);
  }

  function isFree(claim: Claim): boolean {
    if (running.size >= runs) return false;
    const ordinary = [...running].filter((other) => !other.healing).length;
    if (!claim.healing && ordinary >= runs - healing) return false;
    return ![...running].some(
      (other) => collide(claim, other) || (claim.partition !== undefined && other.partition === claim.partition),
    );
  }

  function askForHeadroom(ask: NonNullable<AdmissionOptions['headroom']>, one: Waiting): void {
    one.headroom = 'asked';
    void ask(one.claim, one.signal).then(
      () => {
        one.headroom = 'there';
        admit();
      },
      (reason: unknown) => one.fail(reason),
    );
  }

  async function enter(given: Claim, signal: AbortSignal): Promise<Claim> {
    signal.throwIfAborted();
    // Its own object: the same claim may be made twice.
    const claim = { ...given };
    const begun = Promise.withResolvers<void>();
    const one: Waiting = { claim, signal, begin: begun.resolve, fail: begun.reject, headroom: 'unknown' };
    const stop = (): void => begun.reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    waiting.push(one);
    admit();
    try {
      await begun.promise;
    } catch (thrown) {
      leave(one);
      throw thrown;
    } finally {
      signal.removeEventListener('abort', stop);
    }
    return claim;
  }

  return {
    async take(given, signal) {
      const claim = await enter(given, signal);
      let mine = claim;
      const become = (next: Claim): void => {
        running.delete(mine);
        running.add((mine = next));
      };
      return {
        leave() {
          if (running.delete(mine)) admit();
        },
        async giveWay(until) {
          const other = ({ partition }: Claim): boolean => partition === undefined || partition !== claim.partition;
          if (!waiting.some((one) => collide(one.claim, claim) && other(one.claim))) return;
          // It stays where it is, in its partition, and does no heavy work.
          become({ ...claim, load: 'light' });
          const turn = await enter({ ...claim, partition: undefined }, until);
          running.delete(turn);
          become(claim);
          admit();
        },
      };
    },
    counts: () => ({ running: running.size, waiting: waiting.length }),
  };

  function leave(one: Waiting): void {
    waiting = waiting.filter((other) => other !== one);
    // Begun and stopped in the same moment: the place is free again.
    running.delete(one.claim);
    admit();
  }
}
