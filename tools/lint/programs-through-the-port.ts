import { lineRule, TESTS } from './rule.ts';

/**
 * A program started elsewhere has no deadline, no output cap, and nobody ends it after a crash. What runs inside the
 * containers of a game day is not Steward, and ends with its container.
 */
export const programsThroughThePort = lineRule('programs-through-the-port', {
  in: /^src\//,
  except: new RegExp(`${TESTS.source}|^src/adapters/(programs|processes)/|^src/store/|^src/game-day/programs/`),
  pattern: /from '(node:child_process|execa)'/,
  message: 'start programs through the programs port',
});
