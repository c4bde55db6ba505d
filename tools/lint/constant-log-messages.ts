import { lineRule, TESTS } from './rule.ts';

/** A message that is constant can be searched for; values are fields. */
export const constantLogMessages = lineRule('constant-log-messages', {
  in: /^src\//,
  except: TESTS,
  pattern: /\blog\.(debug|info|warn|error)\(\s*`[^`]*\$\{/,
  message: 'a log message is a constant; put the values into fields',
});
