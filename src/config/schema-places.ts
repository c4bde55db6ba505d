import { z } from 'zod';
import { duration } from './schema-parts.ts';

export const PlacesConfig = z
  .strictObject({
    userAgent: z
      .string()
      .regex(/^[\x21-\x7e][\x20-\x7e]{0,199}$/, 'expected printable characters, at most 200')
      .default('InsightPulse-HealthCheck/1.0')
      .describe('As what places ask over HTTP.'),
    report: duration('1s', '1h').default('15s').describe('Time between two reports of a place.'),
  })
  .describe('Other places that look at services, too: steward probe.');
