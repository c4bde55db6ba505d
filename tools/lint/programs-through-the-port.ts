import { lineRule, TESTS } from './rule.ts';

/** A program started elsewhere has no deadline, no output cap, and nobody ends it after a crash. */
export const programsThroughThePort = lineRule('programs-through-the-port', {
  in: /^src\//,
  except: new RegExp(`${TESTS.source}|^src/adapters/(programs|processes)/|^src/store/`),
  pattern: /from '(node:child_process|execa)'/,
  message: 'start programs through the programs port',
});
