import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const BUILT = new URL('../../../web/dist/', import.meta.url);
const NONCE = '__NONCE__';

/** The dashboard as it was built, ready to be sent. */
export interface Page {
  /** The document; what styles it brings at run time is let in by the nonce, and by nothing else. */
  readonly html: (nonce: string) => string;
  /** Where its parts are, each under a name that changes with what is in it. Undefined where nothing was built. */
  readonly assets: string | undefined;
}

/** What is there of it: a document that says how to build it, where nobody did. */
export async function loadPage(): Promise<Page> {
  const document = await readFile(new URL('index.html', BUILT), 'utf8').catch(() => undefined);
  if (document === undefined) return { html: () => UNBUILT, assets: undefined };
  return { html: (nonce) => document.replaceAll(NONCE, nonce), assets: fileURLToPath(new URL('assets', BUILT)) };
}

const UNBUILT = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Steward</title>
<h1>The dashboard was not built</h1>
<p>Steward runs. <code>npm start</code> builds its dashboard; to build it by hand: <code>npm run build -w web</code>, then load this page again.</p>
<p>Meanwhile: <code>steward status</code>, <code>steward services</code>, <code>steward --help</code>.</p>
</html>
`;
