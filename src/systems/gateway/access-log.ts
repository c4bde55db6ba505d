import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Log } from '../../core/log.ts';

/** A line for each request, in files that are bounded in size, number and age. */
export interface AccessLog {
  /** Costs a push to a list. Where the disk does not keep up, lines are dropped and counted. */
  write(record: { readonly id: string }): void;
  /** The line about a request, the newest files first. */
  find(id: string): Promise<unknown>;
  readonly dropped: number;
  flush(): Promise<void>;
  close(): Promise<void>;
}

const FLUSH_MS = 200;
const FLUSH_LINES = 500;
const MOST_WAITING = 20_000;
const FILE_BYTES = 32 * 1024 * 1024;
const FILE_MS = 24 * 60 * 60_000;
const MOST_FILES = 8;
const KEEP_MS = 14 * FILE_MS;
const CURRENT = 'access.jsonl';
const OLD = /^access-(\d+)\.jsonl$/;

export function createAccessLog({
  folder,
  now,
  log,
}: {
  readonly folder: string;
  readonly now: () => Date;
  readonly log: Log;
}): AccessLog {
  const path = join(folder, CURRENT);
  let waiting: object[] = [];
  let file: { readonly handle: FileHandle; readonly since: number; size: number } | undefined;
  let writing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let dropped = 0;
  let failed = false;

  async function openFile(): Promise<NonNullable<typeof file>> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const handle = await open(path, 'a', 0o600);
    const { size, birthtimeMs } = await handle.stat();
    return { handle, size, since: size === 0 ? now().getTime() : Math.min(birthtimeMs || Infinity, now().getTime()) };
  }

  async function turnOver(): Promise<void> {
    await file?.handle.close();
    file = undefined;
    await rename(path, join(folder, `access-${now().getTime()}.jsonl`));
    const old = await oldFiles();
    const tooOld = now().getTime() - KEEP_MS;
    for (const [at, { name, time }] of old.entries())
      if (at >= MOST_FILES - 1 || time < tooOld) await unlink(join(folder, name));
  }

  /** The newest first. */
  async function oldFiles(): Promise<{ name: string; time: number }[]> {
    const names = await readdir(folder).catch(() => []);
    return names
      .flatMap((name) => {
        const time = OLD.exec(name)?.[1];
        return time === undefined ? [] : [{ name, time: Number(time) }];
      })
      .sort((a, b) => b.time - a.time);
  }

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const text = Buffer.from(batch.map((record) => `${JSON.stringify(record)}\n`).join(''));
        file ??= await openFile();
        await file.handle.appendFile(text);
        file.size += text.length;
        failed = false;
        if (file.size >= FILE_BYTES || now().getTime() - file.since >= FILE_MS) await turnOver();
      } catch (thrown) {
        dropped += batch.length;
        await file?.handle.close().catch(() => undefined);
        file = undefined;
        if (!failed)
          log.error('the access log of the gateway cannot be written', { reason: (thrown as Error).message });
        failed = true;
      }
    }
  }

  function kick(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    writing ??= writeAll().finally(() => (writing = undefined));
    return writing;
  }

  return {
    write(record) {
      if (waiting.length >= MOST_WAITING) {
        dropped += 1;
        return;
      }
      waiting.push(record);
      if (waiting.length >= FLUSH_LINES) void kick();
      else timer ??= setTimeout(() => void kick(), FLUSH_MS).unref();
    },
    async find(id) {
      await kick();
      const names = [CURRENT, ...(await oldFiles()).map(({ name }) => name)];
      for (const name of names) {
        const found = await findIn(join(folder, name), id);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    get dropped() {
      return dropped;
    },
    flush: kick,
    async close() {
      await kick();
      await file?.handle.close();
      file = undefined;
    },
  };
}

async function findIn(path: string, id: string): Promise<unknown> {
  if (!(await stat(path).catch(() => undefined))) return undefined;
  const stream = createReadStream(path, { highWaterMark: 256 * 1024 });
  try {
    for await (const line of createInterface({ input: stream })) {
      // Parsing is what costs; a line that was cut off by a crash is no line.
      if (!line.includes(id)) continue;
      const record = parsed(line);
      if (record?.id === id) return record;
    }
  } finally {
    stream.destroy();
  }
  return undefined;
}

function parsed(line: string): { readonly id?: unknown } | undefined {
  try {
    return JSON.parse(line) as { id?: unknown };
  } catch {
    return undefined;
  }
}
