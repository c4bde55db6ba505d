import { defineWorkflow } from '../core/workflow.ts';

export default defineWorkflow({
  name: 'on_content_publish',
  version: 1,
  title: 'New content',
  summary: 'Makes the preview of new content, brings it into the search and tells who asked to be told.',
  priority: 'P2',
  ifMissed: 'new content cannot be found',
  origin: 'core',
  triggers: [{ kind: 'event', event: 'content.published' }],
  steps: [
    { id: 'preview', title: 'Make the preview', automation: 'call-http', onFailure: 'continue' },
    { id: 'search', title: 'Update the search', automation: 'call-http', onFailure: 'continue' },
    { id: 'webhooks', title: 'Call the webhooks', automation: 'call-http', onFailure: 'continue' },
  ],
});
