// The peer: what the same requests cost in plain Node, with connections kept and nothing stored. Prints CPU of each cycle.
import { Agent, get } from 'node:http';

const [port, count, cycles] = process.argv.slice(2).map(Number) as [number, number, number];
const agent = new Agent({ keepAlive: true });

function ask(index: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port, path: `/service/${index}`, agent }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200));
    }).on('error', () => resolve(false));
  });
}

const spent: number[] = [];
for (let cycle = 0; cycle < cycles; cycle += 1) {
  const before = process.cpuUsage();
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => ask(index)));
  const { user, system } = process.cpuUsage(before);
  if (!answers.every(Boolean)) throw new Error('a request failed');
  spent.push((user + system) / 1_000);
}
console.log(JSON.stringify(spent));
agent.destroy();
