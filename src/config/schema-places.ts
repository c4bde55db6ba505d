import { z } from 'zod';
import { duration } from './schema-parts.ts';

const REFERENCE = /^(?:[a-zA-Z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):\d{1,5}$/;

export const PlacesConfig = z
  .strictObject({
    userAgent: z
      .string()
      .regex(/^[\x21-\x7e][\x20-\x7e]{0,199}$/, 'expected printable characters, at most 200')
      .default('InsightPulse-HealthCheck/1.0')
      .describe('As what places ask over HTTP.'),
    references: z
      .array(z.string().regex(REFERENCE, 'expected host:port, such as 1.1.1.1:443 or [2606:4700::1111]:443'))
      .max(10)
      .default([])
      .describe(
        'Addresses (TCP) beyond your own network, of which one at least answers while an uplink works. Who reaches none of them has no vote on what fails.',
      ),
    report: duration('1s', '1h').default('15s').describe('Time between two reports of a place.'),
  })
  .describe('Other places that look at services, too: steward probe.');
