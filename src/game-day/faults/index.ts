import type { Fault } from '../fault.ts';
import { ANSWER_FAULTS } from './answers.ts';
import { DECISION_FAULTS } from './decisions.ts';
import { DEPENDENCY_FAULTS } from './dependencies.ts';
import { PROCESS_FAULTS } from './processes.ts';
import { RESOURCE_FAULTS } from './resources.ts';
import { STEWARD_FAULTS } from './steward.ts';

/** All faults of a game day. Those on the same service are played in this order. */
export const FAULTS: readonly Fault[] = [
  ...DECISION_FAULTS,
  ...PROCESS_FAULTS,
  ...ANSWER_FAULTS,
  ...DEPENDENCY_FAULTS,
  ...RESOURCE_FAULTS,
  ...STEWARD_FAULTS,
];
