// A process of its own that begins a copy and never ends it, for tests that kill it. Prints 'writing' once it is in the middle.
import { setTimeout as sleep } from 'node:timers/promises';
import { createOutbound } from '../adapters/outbound/outbound.ts';
import { createPrograms } from '../adapters/programs/index.ts';
import { createCopyStore } from '../adapters/repositories/index.ts';
import { createSecretResolver } from '../adapters/secrets/secrets.ts';
import { BackupRepository } from '../core/backup/repository.ts';
import { memoryLog } from './log.ts';

const { repository, home, node, id, at } = JSON.parse(process.argv[2] ?? '{}') as Record<string, unknown>;
const store = createCopyStore(BackupRepository.parse(repository), {
  programs: createPrograms({ environment: process.env }),
  secrets: createSecretResolver({ variable: (name) => process.env[name], log: memoryLog() }),
  outbound: createOutbound(),
  home: String(home),
  node: String(node),
  now: () => new Date(),
  log: memoryLog(),
});
const doing = { signal: new AbortController().signal };
const writer = await store.begin({ id: String(id), source: 'shop', at: new Date(String(at)) }, doing);
await writer.part({ name: 'globals.sql', kind: 'globals' }, slowly(1));
await writer.part({ name: 'shop.dump', kind: 'dump' }, slowly(Infinity));

async function* slowly(chunks: number): AsyncGenerator<Uint8Array> {
  for (let count = 0; count < chunks; count++) {
    yield Buffer.alloc(256 * 1024, count % 251);
    if (count === 2) process.stdout.write('writing\n');
    if (chunks > 1) await sleep(5);
  }
}
