/** For what the store may never answer. */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  work.catch(() => undefined); // it may fail after nobody waits for it
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
