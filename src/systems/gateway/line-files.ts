import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../core/log.ts';
import { createLines } from './lines.ts';

/** Lines of JSON in files of one kind, which are bounded in size and age, all together. */
export interface LineFiles {
  /** Waits for no disk. Where it does not keep up, lines are dropped and counted. */
  write(record: object): void;
  readonly dropped: number;
  /** The newest first, the one that is being written included. */
  list(): Promise<readonly LineFile[]>;
  /** Lets go what is too old or too much. */
  tidy(): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface LineFile {
  readonly path: string;
  /** Unix milliseconds: nothing in it was written later. */
  readonly until: number;
}

export interface Bounds {
  /** A file with so much is followed by another one. */
  readonly fileBytes: number;
  readonly keepBytes: number;
  readonly keepMs: number;
}

const FLUSH_MS = 200;
const FLUSH_LINES = 500;
/** A line can be as long as a request may say where it goes. */
const MOST_WAITING_BYTES = 16 * 1024 * 1024;
const DAY_MS = 24 * 60 * 60_000;

export function createLineFiles({
  folder,
  kind,
  bounds: { fileBytes, keepBytes, keepMs },
  now,
  log,
}: {
  readonly folder: string;
  readonly kind: string;
  readonly bounds: Bounds;
  readonly now: () => Date;
  readonly log: Log;
}): LineFiles {
  const path = join(folder, `${kind}.jsonl`);
  const old = new RegExp(`^${kind}-(\\d+)\\.jsonl$`);
  let waiting = createLines();
  let file: { readonly handle: FileHandle; readonly since: number; size: number } | undefined;
  let turn: Promise<void> = Promise.resolve();
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

  async function turnOver(at = now().getTime()): Promise<void> {
    await file?.handle.close();
    file = undefined;
    await rename(path, join(folder, `${kind}-${at}.jsonl`));
    await letGo();
  }

  async function tidy(): Promise<void> {
    const written = (await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity;
    if (written < now().getTime() - keepMs) await turnOver(Math.floor(written));
    else await letGo();
  }

  async function letGo(): Promise<void> {
    const tooOld = now().getTime() - keepMs;
    let left = keepBytes - fileBytes;
    for (const each of await oldFiles()) {
      left -= (await stat(each.path).catch(() => undefined))?.size ?? 0;
      if (left < 0 || each.until < tooOld) await unlink(each.path);
    }
  }

  async function oldFiles(): Promise<LineFile[]> {
    const names = await readdir(folder).catch(() => []);
    return names
      .flatMap((name) => {
        const time = old.exec(name)?.[1];
        return time === undefined ? [] : [{ path: join(folder, name), until: Number(time) }];
      })
      .sort((a, b) => b.until - a.until);
  }

  async function writeAll(): Promise<void> {
    while (waiting.count > 0) {
      const batch = waiting;
      waiting = createLines();
      try {
        const bytes = batch.bytes();
        file ??= await openFile();
        await file.handle.appendFile(bytes);
        file.size += bytes.length;
        failed = false;
        if (file.size >= fileBytes || now().getTime() - file.since >= DAY_MS) await turnOver();
      } catch (thrown) {
        dropped += batch.count;
        await file?.handle.close().catch(() => undefined);
        file = undefined;
        if (!failed)
          log.error('the access log of the gateway cannot be written', { reason: (thrown as Error).message });
        failed = true;
      }
    }
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    return (turn = turn.catch(() => undefined).then(work));
  }

  function kick(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    writing ??= inTurn(writeAll).finally(() => (writing = undefined));
    return writing;
  }

  return {
    write(record) {
      if (waiting.size >= MOST_WAITING_BYTES) {
        dropped += 1;
        return;
      }
      waiting.add(record);
      if (waiting.count >= FLUSH_LINES) void kick();
      else timer ??= setTimeout(() => void kick(), FLUSH_MS).unref();
    },
    async list() {
      return [{ path, until: Infinity }, ...(await oldFiles())];
    },
    tidy: () => inTurn(tidy),
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
