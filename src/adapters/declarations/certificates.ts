import { X509Certificate } from 'node:crypto';
import type { DeclaredCertificate, ProxyConfiguration } from '../../core/declared.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import { AS_ROOT, readText, type Reader, readerOf } from '../config-files/readable.ts';

const MOST = 500;

/** The certificates of a configuration with what their files say, read as the proxy reads them. */
export async function withCertificates(
  proxy: ProxyConfiguration,
  processes: readonly ProcessInfo[],
): Promise<ProxyConfiguration> {
  const owner = processes.find(({ pid }) => pid === proxy.owner?.pid);
  const root = proxy.owner?.container === undefined ? '' : `/proc/${proxy.owner.pid}/root`;
  const reader = owner ? readerOf(owner.pid, owner.uid, root) : AS_ROOT;
  const known = new Map<string, DeclaredCertificate['read']>();
  const certificates: DeclaredCertificate[] = [];
  for (const certificate of proxy.certificates.slice(0, MOST)) {
    if (!known.has(certificate.file)) known.set(certificate.file, await readCertificate(certificate.file, reader));
    certificates.push({ ...certificate, read: known.get(certificate.file) });
  }
  return { ...proxy, certificates };
}

/** The first certificate in a PEM file is the one that is served. */
async function readCertificate(file: string, reader: Reader): Promise<DeclaredCertificate['read']> {
  const content = await readText(file, reader);
  const pem =
    'text' in content &&
    /-----BEGIN CERTIFICATE-----[\s\S]{1,100000}?-----END CERTIFICATE-----/.exec(content.text)?.[0];
  if (!pem) return undefined;
  try {
    const { subject, issuer, subjectAltName, validToDate } = new X509Certificate(pem);
    return {
      subject: line(subject),
      issuer: line(issuer),
      names: (subjectAltName ?? '').split(', ').flatMap((name) => /^DNS:([\w.*-]{1,253})$/.exec(name)?.[1] ?? []),
      expires: validToDate,
    };
  } catch {
    return undefined;
  }
}

function line(text: string | undefined): string {
  return (text ?? '').replace(/[\p{Cc}\p{Cf}]+/gu, ', ').slice(0, 200);
}
