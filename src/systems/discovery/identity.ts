import { createHash } from 'node:crypto';
import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import { redactArgv } from '../../core/redact.ts';
import { fileOf } from './clues.ts';
import { INTERPRETERS } from './rules.ts';

/** What a process is recognized by after a restart: everything about it but its number. */
export interface Signature {
  readonly executable: string;
  readonly cwd: string;
  readonly uid: number;
  /** What an interpreter runs; two scripts in one folder are two services. */
  readonly script: string;
  readonly argv: string;
}

const VALUE_IS_VOLATILE = /^--?(p|port|listen|addr|address|bind|inspect|pid|pidfile)$/i;

/** Arguments without what changes from start to start: ports, addresses, process numbers, long hexadecimal ids. */
export function normalizeArgv(argv: readonly string[]): string {
  return argv
    .map((argument, index) => (VALUE_IS_VOLATILE.test(argv[index - 1] ?? '') ? '*' : argument))
    .join('\u0000')
    .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{12,64}\b/gi, '*')
    .replace(/(^|[^\w.])\d{2,}(?=$|[^\w.])/g, '$1*')
    .replace(/\b\d{1,3}(\.\d{1,3}){3}\b/g, '*');
}

export function isInterpreter(executable: string): boolean {
  const file = fileOf(executable);
  return INTERPRETERS.some((rule) => rule.executable.test(file));
}

/** A path of Linux without the mark that what it named was removed or replaced meanwhile. */
function asItWas(path: string): string {
  return path.replace(/ \(deleted\)$/, '');
}

export function signatureOf(process: Pick<ProcessInfo, 'executable' | 'argv' | 'cwd' | 'uid'>): Signature {
  const executable = asItWas(process.executable);
  return {
    executable,
    cwd: asItWas(process.cwd ?? ''),
    uid: process.uid,
    script: isInterpreter(executable)
      ? (redactArgv(process.argv)
          .slice(1)
          .find((argument) => !argument.startsWith('-')) ?? '')
      : '',
    argv: fingerprint(normalizeArgv(process.argv)),
  };
}

/** Argument lists can hold passwords: only their fingerprint is part of an identity. */
export function fingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

export function processIdentity(signature: Signature): string {
  return `process:${signature.uid}:${signature.executable}:${signature.cwd}:${signature.argv}`;
}

/** Same program, folder, user and script, whatever else its arguments say. */
export function sameProgram(a: Signature, b: Signature): boolean {
  return a.executable === b.executable && a.cwd === b.cwd && a.uid === b.uid && a.script === b.script;
}

/** A container that is created anew by compose keeps its identity; so does one that is replaced under the same name. */
export function containerIdentity(container: Pick<ContainerInfo, 'name' | 'labels'>): string {
  const { project, service, number } = composeOf(container.labels);
  return project && service ? `compose:${project}/${service}/${number}` : `container:${container.name}`;
}

export function composeOf(labels: Readonly<Record<string, string>>): {
  project: string | undefined;
  service: string | undefined;
  number: string;
} {
  return {
    project: labels['com.docker.compose.project'],
    service: labels['com.docker.compose.service'],
    number: labels['com.docker.compose.container-number'] ?? '1',
  };
}

export function unitIdentity(scope: 'system' | 'user', unit: string): string {
  return `systemd:${scope}:${unit}`;
}
