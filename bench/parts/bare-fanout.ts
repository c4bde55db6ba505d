// A WebSocket server that hands on to all what one of its clients says, and does nothing else: the least that a live stream can cost.
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
server.on('connection', (socket) => {
  socket.on('message', (data) => {
    for (const each of server.clients) if (each !== socket) each.send(data, { binary: false });
  });
});
server.on('listening', () => console.log(JSON.stringify(server.address())));
process.on('SIGTERM', () => process.exit(0));
