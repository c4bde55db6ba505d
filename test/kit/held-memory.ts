import { WebSocket } from 'ws';
import type { RunningSteward } from './steward.ts';

/** For the environment of a Steward whose memory is looked into. */
export const WITH_INSPECTOR = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** What a Steward holds after its garbage was collected, in MB: what is in use of the heap, and buffers beside it. */
export async function heldMb(server: Pick<RunningSteward, 'output'>): Promise<number> {
  const url = [...server.output().matchAll(/Debugger listening on (ws:\S+)/g)].at(-1)?.[1];
  if (url === undefined) throw new Error(`there is no inspector:\n${server.output()}`);
  const socket = new WebSocket(url);
  await new Promise((open, failed) => socket.once('open', open).once('error', failed));
  let last = 0;
  const ask = (method: string, params: object = {}): Promise<{ result: { value: number } }> =>
    new Promise((answered) => {
      const id = (last += 1);
      socket.on('message', function take(data: Buffer) {
        const message = JSON.parse(data.toString()) as { id?: number; result: { result: { value: number } } };
        if (message.id !== id) return;
        socket.off('message', take);
        answered(message.result);
      });
      socket.send(JSON.stringify({ id, method, params }));
    });
  try {
    // What is let go by the first collection may be what held something else.
    for (let round = 0; round < 2; round += 1) await ask('HeapProfiler.collectGarbage');
    const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    const { result } = await ask('Runtime.evaluate', { expression });
    return result.value / 1024 ** 2;
  } finally {
    socket.close();
  }
}
