import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'on_user_register',
  version: 1,
  title: 'New user',
  summary: 'Gives a new user of your application a workspace, permissions and a welcome.',
  priority: 'P2',
  ifMissed: 'a new user finds nothing set up',
  origin: 'core',
  triggers: [{ kind: 'event', event: 'user.registered' }],
  steps: [
    { id: 'workspace', title: 'Create the workspace', automation: 'call-http' },
    { id: 'permissions', title: 'Assign the permissions', automation: 'call-http' },
    // A welcome that does not arrive must not undo an account that works.
    { id: 'welcome', title: 'Send the welcome', automation: 'call-http', onFailure: 'continue' },
  ],
});
