// A web server of its own process: answers at once, closing the connection where it is told to, or never. Prints its port.
import { createServer } from 'node:http';

const mode = process.argv[2];
const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
  if (mode === 'close') response.setHeader('connection', 'close');
  if (mode !== 'hang') response.end('ok');
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () =>
  console.log((server.address() as { port: number }).port),
);
