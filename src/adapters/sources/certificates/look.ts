import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** What is known of the certificates and keys in a tree: names and dates, never anything of a key. */
export interface CertificatesFound {
  readonly certificates: readonly { readonly path: string; readonly names: string; readonly expires: Date }[];
  readonly keys: number;
  readonly fitting: number;
  readonly wrong: readonly string[];
}

interface Found {
  readonly path: string;
  readonly certificates: readonly X509Certificate[];
  readonly keys: readonly KeyObject[];
}

const LARGEST = 1024 ** 2;
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** Each certificate and each key has to be readable, and where one key lies beside certificates it has to fit one of them. */
export async function lookAtCertificates(root: string): Promise<CertificatesFound> {
  const wrong: string[] = [];
  const found: Found[] = [];
  for (const path of await filesBelow(root)) {
    const one = await read(join(root, path), path, wrong);
    if (one.certificates.length + one.keys.length > 0) found.push(one);
  }
  const leaves = found.flatMap(({ certificates: [first] }) => (first ? [first] : []));
  let fitting = 0;
  for (const { path, keys } of found)
    for (const key of keys) {
      if (leaves.some((certificate) => certificate.checkPrivateKey(key))) fitting += 1;
      else if (misfits(path, found)) wrong.push(`the key ${path} fits none of the certificates beside it`);
    }
  return {
    certificates: found.flatMap(({ path, certificates: [first] }) =>
      first ? [{ path, names: first.subjectAltName ?? first.subject, expires: first.validToDate }] : [],
    ),
    keys: found.reduce((sum, { keys }) => sum + keys.length, 0),
    fitting,
    wrong,
  };
}

/** The only key of a folder with certificates: it is theirs. Among several nobody can tell. */
function misfits(path: string, found: readonly Found[]): boolean {
  const beside = found.filter((other) => dirname(other.path) === dirname(path));
  const keys = beside.reduce((sum, other) => sum + other.keys.length, 0);
  return keys === 1 && beside.some(({ certificates }) => certificates.length > 0);
}

async function read(file: string, path: string, wrong: string[]): Promise<Found> {
  const certificates: X509Certificate[] = [];
  const keys: KeyObject[] = [];
  const nothing = { path, certificates, keys };
  // A link may lead out of what was copied: then there is nothing of it here.
  const stats = await stat(file).catch(() => undefined);
  if (!stats?.isFile() || stats.size > LARGEST) return nothing;
  const text = await readFile(file, 'latin1');
  const blocks = [...text.matchAll(BLOCK)];
  if (text.split('-----BEGIN ').length - 1 > blocks.length) wrong.push(`${path} ends within a certificate or a key`);
  for (const [block, label = ''] of blocks) {
    try {
      if (label.endsWith('CERTIFICATE')) certificates.push(new X509Certificate(block));
      else if (label.endsWith('PRIVATE KEY') && !isSealed(label, block)) keys.push(createPrivateKey(block));
    } catch {
      wrong.push(`${path} holds no readable ${label.toLowerCase()}`);
    }
  }
  return nothing;
}

/** With a password, or of SSH in its own form: it can only be compared by its bytes. */
function isSealed(label: string, block: string): boolean {
  return (
    label === 'ENCRYPTED PRIVATE KEY' || label === 'OPENSSH PRIVATE KEY' || block.includes('Proc-Type: 4,ENCRYPTED')
  );
}

async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map(({ parentPath, name }) => join(parentPath, name).slice(root.length))
    .toSorted();
}
