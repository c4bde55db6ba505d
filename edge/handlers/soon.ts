/** What is there mostly at once, and sometimes later: nobody waits for what is known, not even for a turn. */
export type Soon<T> = T | Promise<T>;

export function after<T, U>(soon: Soon<T>, use: (value: T) => Soon<U>): Soon<U> {
  return soon instanceof Promise ? soon.then(use) : use(soon);
}
