import { describe } from 'vitest';
import { judgeCase } from '../../testing/case.ts';
import { webhookSuite } from '../../testing/webhook-suite.ts';

describe('the webhook receiver, judged in Node', () => {
  webhookSuite((cases) => Promise.all(cases.map((each) => judgeCase(each))), 10_000);
});
