import { lineRule, TESTS } from './rule.ts';

/** Time is an argument, so that a test can say what time it is. */
export const clockIsAnArgument = lineRule('clock-is-an-argument', {
  in: /^src\/(core|automations|engine|systems)\//,
  except: TESTS,
  pattern: /\bnew Date\(\)|\bDate\.now\(\)/,
  message: 'take `now` as an argument',
});
