import type { AnyAutomation } from '../core/automation.ts';
import restartService from './restart-service/index.ts';

/** Every automation that ships, in the order of their names. */
export function automations(): AnyAutomation[] {
  return [restartService];
}
