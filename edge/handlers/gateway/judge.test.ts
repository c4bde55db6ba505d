import { describe } from 'vitest';
import { tell } from '../../testing/gateway-story.ts';
import { gatewayGuessesSuite } from '../../testing/gateway-guesses-suite.ts';
import { gatewaySuite } from '../../testing/gateway-suite.ts';
import { gatewayTokensSuite } from '../../testing/gateway-tokens-suite.ts';

describe('the gateway, judged in Node', () => {
  gatewaySuite(tell, 5_000);
  gatewayTokensSuite(tell, 10_000);
  gatewayGuessesSuite(tell);
});
