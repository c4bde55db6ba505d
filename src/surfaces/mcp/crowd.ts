import { StewardError } from '../../core/errors.ts';

export interface Crowd {
  /** RATE_LIMITED where as many are under way for the same credential already. */
  pass<T>(who: string, work: () => Promise<T>): Promise<T>;
}

/** Calls that wait hold a place; one credential cannot take them all. */
export function createCrowd(limit: number): Crowd {
  const underWay = new Map<string, number>();
  return {
    async pass(who, work) {
      const others = underWay.get(who) ?? 0;
      if (others >= limit)
        throw new StewardError('RATE_LIMITED', `${others} calls are under way already.`, {
          hint: 'Wait for one of them, or wait for fewer runs at once.',
        });
      underWay.set(who, others + 1);
      try {
        return await work();
      } finally {
        const left = (underWay.get(who) ?? 1) - 1;
        if (left === 0) underWay.delete(who);
        else underWay.set(who, left);
      }
    },
  };
}
