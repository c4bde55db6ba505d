import { describe } from 'vitest';
import { judgeCases } from '../../testing/case.ts';
import { webhookSuite } from '../../testing/webhook-suite.ts';

describe('the webhook receiver, judged in Node', () => {
  webhookSuite(judgeCases, 10_000);
});
