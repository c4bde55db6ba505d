/** How long one request waits for others, all the times that it does together. */
export interface Patience {
  /** What comes of it; nothing where that is not there in time. */
  readonly waitFor: <T>(work: Promise<T>) => Promise<T | undefined>;
  readonly over: () => void;
}

/** From the first time that it waits. */
export function patienceOf(ms: number): Patience {
  let late: Promise<undefined> | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return {
    waitFor(work) {
      late ??= new Promise((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
      return Promise.race([work, late]);
    },
    over: () => clearTimeout(timer),
  };
}

/** What comes of it; nothing where that is not there within so long. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const patience = patienceOf(ms);
  try {
    return await patience.waitFor(work);
  } finally {
    patience.over();
  }
}
