import { type AnyWorkflow, defineWorkflow } from '../core/workflow.ts';
import { type CallOf, callStep } from './call.ts';

export default function onContentPublish(callOf: CallOf): AnyWorkflow {
  const name = 'on_content_publish';
  return defineWorkflow({
    name,
    version: 1,
    title: 'New content',
    summary: 'Makes the preview of new content, brings it into the search and tells who asked to be told.',
    priority: 'P2',
    ifMissed: 'new content cannot be found',
    origin: 'core',
    triggers: [{ kind: 'event', event: 'content.published' }],
    steps: [
      callStep(callOf, name, { id: 'preview', title: 'Make the preview', onFailure: 'continue' }),
      callStep(callOf, name, { id: 'search', title: 'Update the search', onFailure: 'continue' }),
      callStep(callOf, name, { id: 'webhooks', title: 'Call the webhooks', onFailure: 'continue' }),
    ],
  });
}
