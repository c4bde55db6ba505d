import { describe } from 'vitest';
import { tell } from '../../testing/gateway-story.ts';
import { gatewayGuessesSuite } from '../../testing/gateway-guesses-suite.ts';
import { gatewaySuite } from '../../testing/gateway-suite.ts';
import { gatewayTokensSuite } from '../../testing/gateway-tokens-suite.ts';

describe('the gateway, judged in Node', () => {
  gatewaySuite((story) => tell(story), 5_000);
  gatewayTokensSuite((story) => tell(story), 10_000);
  gatewayGuessesSuite((story) => tell(story));
});
