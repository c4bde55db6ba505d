import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Issued {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
}

/** A certificate authority of a test's own, with an intermediate one between it and what it issues. */
export interface Authority {
  readonly rootFile: string;
  readonly intermediate: string;
  issue(name: string, options?: { names?: string; from?: Date; to?: Date }): Issued;
  selfSigned(name: string): Issued;
}

const DAY_MS = 86_400_000;

export function createAuthority(folder: string): Authority {
  const file = (name: string): string => join(folder, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe', cwd: folder });
  const stamp = (date: Date): string => `${date.toISOString().replaceAll(/[-:T]/g, '').slice(0, 14)}Z`;
  writeFileSync(file('index.txt'), '');
  writeFileSync(file('serial'), '1000\n');
  writeFileSync(
    file('ca.cnf'),
    `[ca]\ndefault_ca=d\n[d]\ndatabase=${file('index.txt')}\nserial=${file('serial')}\nnew_certs_dir=${folder}\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n[req]\ndistinguished_name=n\n[n]\n`,
  );
  const request = (name: string): void =>
    openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
      '-config',
      'ca.cnf',
    );
  const sign = (name: string, by: string, extensions: string, from: Date, to: Date): void => {
    writeFileSync(file(`${name}.ext`), extensions);
    openssl(
      'ca',
      '-batch',
      '-notext',
      '-config',
      'ca.cnf',
      '-cert',
      `${by}.crt`,
      '-keyfile',
      `${by}.key`,
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.crt`,
      '-extfile',
      `${name}.ext`,
      '-startdate',
      stamp(from),
      '-enddate',
      stamp(to),
    );
  };
  const authority = 'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\n';
  const now = Date.now();
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '3650',
    '-keyout',
    'root.key',
    '-out',
    'root.crt',
    '-subj',
    '/CN=Test Root',
  );
  request('between');
  sign('between', 'root', authority, new Date(now - DAY_MS), new Date(now + 3_650 * DAY_MS));
  const read = (name: string): Issued => ({
    cert: readFileSync(file(`${name}.crt`), 'utf8'),
    key: readFileSync(file(`${name}.key`), 'utf8'),
    certFile: file(`${name}.crt`),
  });
  let count = 0;
  return {
    rootFile: file('root.crt'),
    intermediate: readFileSync(file('between.crt'), 'utf8'),
    issue(cn, { names = `DNS:${cn}`, from = new Date(now - DAY_MS), to = new Date(now + 89 * DAY_MS) } = {}) {
      count += 1;
      const name = `${cn}-${count}`;
      request(name);
      sign(name, 'between', `subjectAltName=${names}\n`, from, to);
      return read(name);
    },
    selfSigned(cn) {
      openssl(
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-days',
        '90',
        '-keyout',
        `${cn}-self.key`,
        '-out',
        `${cn}-self.crt`,
        '-subj',
        `/CN=${cn}`,
        '-addext',
        `subjectAltName=DNS:${cn}`,
      );
      return read(`${cn}-self`);
    },
  };
}
