import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'renew_ssl',
  aliases: ['certificate-renewal'],
  version: 1,
  title: 'Renew certificates',
  summary: 'Renews each certificate when its time has come, and asks its issuer twice a day whether that is sooner.',
  priority: 'P0',
  ifMissed: 'browsers refuse the site when its certificate expires',
  origin: 'system',
  triggers: [
    { kind: 'schedule', schedule: { cron: '0 4 * * *', catchUp: 'latest', overlap: 'skip' } },
    {
      kind: 'schedule',
      schedule: { every: '12h', catchUp: 'latest', overlap: 'skip' },
      context: { only: 'renewal-information' },
    },
  ],
  steps: [
    { id: 'information', title: 'Ask the issuers when to renew', automation: 'check-renewal-information' },
    {
      id: 'renew',
      title: 'Renew what is due',
      automation: 'renew-certificates',
      when: [{ from: 'context.only', not: 'renewal-information' }],
    },
  ],
});
