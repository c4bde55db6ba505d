import { expect, it } from 'vitest';
import { writerOf } from './sqlite-locks.ts';

it('tells the writer from readers, waiters and strangers (recorded from /proc/locks)', () => {
  const locks = `1: POSIX  ADVISORY  READ  100 08:01:5555 1073741826 1073742335
1: -> POSIX  ADVISORY  WRITE 101 08:01:5555 1073741825 1073741825
2: FLOCK  ADVISORY  WRITE 102 08:01:5555 0 EOF
3: POSIX  ADVISORY  WRITE 103 08:01:7777 1073741825 1073741825
4: POSIX  ADVISORY  READ  104 08:01:6666 128 128
`;
  expect(writerOf({ database: 5555, shm: 6666 }, locks)).toBeUndefined();
  expect(writerOf({ database: 7777 }, locks)).toBe(103);
  expect(writerOf({ database: 5555, shm: 6666 }, `${locks}5: POSIX  ADVISORY  WRITE 105 08:01:6666 120 120\n`)).toBe(
    105,
  );
  expect(writerOf({ database: 5555 }, '1: OFDLCK ADVISORY  WRITE -1 08:01:5555 1073741825 1073741825')).toBe(0);
});
