import { describe } from 'vitest';
import { probeSuite } from '../../testing/probe-suite.ts';
import { probeHttp } from './http.ts';

describe('a look over HTTP, in Node', () => {
  probeSuite((cases) => Promise.all(cases.map(({ target, times }) => probeHttp(target, times))), {
    tellsReasons: true,
  });
});
