import { lineRule, TESTS } from './rule.ts';

/** One place reads the environment, so one page can list what it means. */
export const environmentInConfig = lineRule('environment-in-config', {
  in: /^src\//,
  except: new RegExp(`${TESTS.source}|^src/config/|^src/cli\\.ts$`),
  pattern: /\bprocess\.env\b/,
  message: 'only src/config reads the environment',
});
