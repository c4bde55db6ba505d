import { describe } from 'vitest';
import { judgeCases } from '../../edge/testing/case.ts';
import { gatewaySuite } from '../../edge/testing/gateway-suite.ts';
import { tell } from '../../edge/testing/gateway-story.ts';
import { webhookSuite } from '../../edge/testing/webhook-suite.ts';
import { serverDigests } from './server-digests.ts';

// The arithmetic that a server really uses; the same suites run by Web Crypto in Node and in workerd.
describe('by the digests of the server', () => {
  webhookSuite((cases) => judgeCases(cases, serverDigests), 10_000);
  gatewaySuite((story) => tell(story, serverDigests), 1_000);
});
