// Holds as many listening ports as it is told, answers HTTP on each, and says when they are open.
import { createServer } from 'node:http';

const count = Number(process.argv[2] ?? 60);
await Promise.all(
  Array.from({ length: count }, () => {
    const server = createServer((_request, response) => response.end('ok'));
    return new Promise<void>((open) => server.listen(0, '127.0.0.1', open));
  }),
);
console.log('open');
