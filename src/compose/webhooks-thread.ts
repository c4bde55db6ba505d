// What this room is to the main thread, to the one that receives webhooks.
import { receiveWebhooks } from '../systems/webhooks/thread.ts';

receiveWebhooks({ now: () => new Date() });
