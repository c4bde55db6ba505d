import { expect, it } from 'vitest';
import { flushesTables } from './analyze.ts';

it('knows the versions where statistics make others wait for a long query', () => {
  const versions = ['10.3.39-MariaDB', '10.6.16-MariaDB', '11.4.2-MariaDB-log', '5.7.44', '8.0.23', '8.0.24', '8.4.0'];
  expect(versions.filter(flushesTables)).toEqual(['10.3.39-MariaDB', '5.7.44', '8.0.23']);
});
