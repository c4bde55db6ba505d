import type { Answer } from '../../api/client.ts';

export type Endpoint = Answer<'/api/v1/webhook-endpoints'>['items'][number];
