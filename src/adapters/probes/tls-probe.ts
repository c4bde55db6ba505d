import { X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { type Socket, connect, isIP } from 'node:net';
import {
  type PeerCertificate,
  type TLSSocket,
  checkServerIdentity,
  connect as connectTls,
  rootCertificates,
} from 'node:tls';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { type Judgement, chainOf, judgeValidity } from './certificate.ts';
import { startDeadline } from './deadline.ts';
import type { Lookup } from './names.ts';
import { endingResult, errorCode, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';
import { NoTls, startTls } from './start-tls.ts';

type TlsTarget = TargetOf<'tls'>;

const LARGEST_FILE = 1024 * 1024;

/** Shakes hands and looks at the certificate that the socket really serves: its dates, its names, who signed it. */
export function createTlsProbe(lookup: Lookup, now: () => Date) {
  return async (target: TlsTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const result = await (target.file === undefined
      ? probeServer(target, options, lookup, now)
      : probeFile(target, target.file, options, now));
    return target.warnOnly && result.state === 'down' ? { ...result, state: 'degraded' } : result;
  };
}

function probeServer(target: TlsTarget, options: ProbeOptions, lookup: Lookup, now: () => Date): Promise<ProbeResult> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    let secure: TLSSocket | undefined;
    let connected = false;
    let over = false;
    const socket = connect({ host: target.host, port: target.port, lookup });
    const finish = (result: ProbeResult): void => {
      if (over) return;
      over = true;
      clear();
      secure?.destroy();
      socket.destroy();
      resolve(result);
    };
    const failed = (thrown: unknown): void => finish(failure(thrown, connected, startedAt));
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) =>
      finish(
        endingResult(
          ending,
          options.timeoutMs,
          connected ? 'connect' : 'presence',
          startedAt,
          connected ? 'end of the TLS handshake' : 'connection',
        ),
      ),
    );
    socket.on('error', failed);
    socket.on('connect', () => {
      connected = true;
      void (async () => {
        try {
          if (target.startTls) await startTls(socket, target.startTls);
          const ca = target.ca === undefined ? undefined : [...rootCertificates, await readFile(target.ca, 'utf8')];
          if (over) return;
          secure = shake(socket, target, ca);
          secure.on('error', failed);
          secure.on('secureConnect', () => {
            if (secure) finish(judge(target, secure, startedAt, options, now()));
          });
          secure.on('close', () =>
            finish(saw('down', 'connect', 'connection closed during the TLS handshake', startedAt)),
          );
        } catch (thrown) {
          failed(thrown);
        }
      })();
    });
  });
}

function shake(socket: Socket, target: TlsTarget, ca: string[] | undefined): TLSSocket {
  const name = target.serverName ?? target.host;
  return connectTls({
    socket,
    ...(isIP(name) === 0 && { servername: name }),
    ...(ca && { ca }),
    // Looked at and told, not acted on: nothing is sent over it.
    rejectUnauthorized: false,
    ALPNProtocols: target.startTls ? [] : ['http/1.1'],
    minVersion: 'TLSv1',
  });
}

function judge(target: TlsTarget, secure: TLSSocket, startedAt: number, options: ProbeOptions, at: Date): ProbeResult {
  const certificate = secure.getPeerCertificate(true);
  if (!certificate.valid_to) return saw('down', 'handshake', 'it shows no certificate', startedAt);
  const validity = { from: new Date(certificate.valid_from), to: new Date(certificate.valid_to) };
  const dates = judgeValidity(validity, target, at);
  const trouble = dates.state === 'down' ? dates : (issuer(target, secure) ?? naming(target, certificate) ?? dates);
  const detail = {
    subject: chainOf(certificate)[0] ?? '',
    issuer: peerText(String(certificate.issuer?.O ?? certificate.issuer?.CN ?? ''), 100),
    chain: chainOf(certificate).join(' < '),
    validTo: Number.isNaN(validity.to.getTime()) ? null : validity.to.toISOString(),
    serial: certificate.serialNumber,
    names: peerText(certificate.subjectaltname ?? '', 200),
    protocol: secure.getProtocol(),
  };
  return trouble.state === 'up'
    ? answered('query', trouble.message, startedAt, options, detail)
    : saw(trouble.state, 'query', trouble.message, startedAt, detail);
}

function issuer({ anyIssuer }: TlsTarget, secure: TLSSocket): Judgement | undefined {
  const { authorizationError: error } = secure as { authorizationError?: unknown };
  if (anyIssuer || secure.authorized) return undefined;
  const code = typeof error === 'string' ? error : errorCode(error) || String(error);
  // Names and dates are judged by themselves.
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID' || code === 'CERT_HAS_EXPIRED') return undefined;
  return { state: 'down', message: `the certificate is not trusted: ${UNTRUSTED[code] ?? code}` };
}

const UNTRUSTED: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it signed itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'the root of its chain is unknown here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the server does not send the intermediate certificate',
  UNABLE_TO_GET_ISSUER_CERT: 'its chain ends before a known root',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its issuer is unknown here, or an intermediate certificate is missing',
};

function naming(target: TlsTarget, certificate: PeerCertificate): Judgement | undefined {
  if (target.anyName) return undefined;
  const name = target.serverName ?? target.host;
  const wrong = checkServerIdentity(name, certificate);
  return (
    wrong && {
      state: 'down',
      message: `the certificate is for ${peerText(certificate.subjectaltname ?? 'nobody', 120)}, not for ${name}`,
    }
  );
}

function failure(thrown: unknown, connected: boolean, startedAt: number): ProbeResult {
  if (thrown instanceof NoTls) return saw('down', 'handshake', thrown.message, startedAt);
  const code = errorCode(thrown);
  if (/^(ERR_SSL|ERR_TLS|EPROTO)/.test(code))
    return saw(
      'down',
      'connect',
      `no TLS: ${peerText(thrown instanceof Error ? thrown.message : code, 160)}`,
      startedAt,
      { code },
    );
  return networkFailure(thrown, connected ? 'connect' : 'presence', startedAt);
}

async function probeFile(
  target: TlsTarget,
  path: string,
  options: ProbeOptions,
  now: () => Date,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  let certificate: X509Certificate;
  try {
    const info = await stat(path);
    if (!info.isFile() || info.size > LARGEST_FILE)
      return saw('down', 'presence', `${path} is no certificate`, startedAt);
    certificate = new X509Certificate(await readFile(path));
  } catch (thrown) {
    const code = errorCode(thrown);
    if (code === 'EACCES' || code === 'EPERM')
      return saw('unknown', 'presence', `Steward may not read ${path}`, startedAt, { code });
    return saw(
      'down',
      'presence',
      code === 'ENOENT' ? `${path} does not exist` : `${path} is no certificate`,
      startedAt,
      { code },
    );
  }
  const { state, message } = judgeValidity(
    { from: new Date(certificate.validFrom), to: new Date(certificate.validTo) },
    target,
    now(),
  );
  const detail = {
    subject: peerText(certificate.subject, 100),
    validTo: new Date(certificate.validTo).toISOString(),
    serial: certificate.serialNumber,
  };
  return state === 'up'
    ? answered('query', message, startedAt, options, detail)
    : saw(state, 'query', message, startedAt, detail);
}
