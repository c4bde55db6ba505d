// A web server of its own process: answers at once, or never where it is told to hang. Prints its port.
import { createServer } from 'node:http';

const hangs = process.argv[2] === 'hang';
const server = createServer({ keepAliveTimeout: 60_000 }, (_request, response) => {
  if (!hangs) response.end('ok');
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () =>
  console.log((server.address() as { port: number }).port),
);
