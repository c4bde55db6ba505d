import { type AnyWorkflow, defineWorkflow } from '../core/workflow.ts';
import { type CallOf, callStep } from './call.ts';

export default function onUserRegister(callOf: CallOf): AnyWorkflow {
  const name = 'on_user_register';
  return defineWorkflow({
    name,
    version: 1,
    title: 'New user',
    summary: 'Gives a new user of your application a workspace, permissions and a welcome.',
    priority: 'P2',
    ifMissed: 'a new user finds nothing set up',
    origin: 'core',
    triggers: [{ kind: 'event', event: 'user.registered' }],
    steps: [
      callStep(callOf, name, { id: 'workspace', title: 'Create the workspace' }),
      callStep(callOf, name, { id: 'permissions', title: 'Assign the permissions' }),
      // A welcome that does not arrive must not undo an account that works.
      callStep(callOf, name, { id: 'welcome', title: 'Send the welcome', onFailure: 'continue' }),
    ],
  });
}
