// What Node costs by itself: its server, undici, and nothing between them. No tokens, no limits, no deadlines. Says its port when it serves.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Dispatcher, Pool } from 'undici';

const [upstream = '', prefix = ''] = process.argv.slice(2);
const pool = new Pool(upstream, { pipelining: 1 });
const server = createServer((request, response) => {
  let body = '';
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart() {},
    onResponseStart({ rawHeaders }, status) {
      const texts = (rawHeaders as Buffer[]).map((each) => each.toString('latin1'));
      const isHop = (at: number): boolean => /^(?:connection|keep-alive|transfer-encoding)$/i.test(texts[at] ?? '');
      response.writeHead(
        status,
        texts.filter((_, at) => !isHop(at - (at % 2))),
      );
    },
    onResponseData(_controller, chunk) {
      body += chunk.toString('latin1');
    },
    onResponseEnd() {
      response.end(body, 'latin1');
    },
    onResponseError() {
      response.destroy();
    },
  };
  const path = (request.url ?? '').slice(prefix.length);
  pool.dispatch({ method: request.method ?? 'GET', path, headers: request.rawHeaders, body: null }, handler);
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
