import { readFile } from 'node:fs/promises';

export interface PageFile {
  readonly path: string;
  readonly type: string;
  readonly body: string;
}

const FILES = [
  { path: '/', file: 'index.html', type: 'text/html; charset=utf-8' },
  // The set-up link carries its token behind the #, which no server ever sees.
  { path: '/setup', file: 'index.html', type: 'text/html; charset=utf-8' },
  ...['app', 'api', 'account', 'approval', 'form', 'gate', 'mode', 'passkey', 'view'].map((name) => ({
    path: `/${name}.js`,
    file: `${name}.js`,
    type: 'text/javascript; charset=utf-8',
  })),
  { path: '/style.css', file: 'style.css', type: 'text/css; charset=utf-8' },
  { path: '/icon.svg', file: 'icon.svg', type: 'image/svg+xml' },
];

/** The page as it is served: a handful of files, no build. */
export async function loadPage(): Promise<PageFile[]> {
  return await Promise.all(
    FILES.map(async ({ path, file, type }) => ({
      path,
      type,
      body: await readFile(new URL(file, import.meta.url), 'utf8'),
    })),
  );
}
