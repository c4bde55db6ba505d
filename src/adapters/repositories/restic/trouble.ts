import { type ErrorCode, StewardError } from '../../../core/errors.ts';

/** What is wrong when restic fails, by what it says; its exit code is 1 for nearly everything before version 0.17. */
export type Trouble =
  | 'wrong-key'
  | 'locked'
  | 'lock-vanished'
  | 'full'
  | 'credentials'
  | 'sftp-refused'
  | 'forbidden'
  | 'busy'
  | 'unreachable'
  | 'no-repository'
  | 'not-found'
  | 'damaged'
  | 'ended'
  | 'failed';

/** In this order: several of them come with the words of a later one. */
const SIGNS: readonly (readonly [Trouble, RegExp])[] = [
  ['wrong-key', /wrong password or no key found/],
  ['locked', /repository is already locked|unable to create lock in backend: .*locked/],
  ['lock-vanished', /<lock\/[0-9a-f]+>.*(?:not exist|no such file|not found)/],
  ['full', /no space left on device|disk quota exceeded|QuotaExceeded|insufficient storage/i],
  [
    'credentials',
    /Access Key Id you provided does not exist|InvalidAccessKeyId|SignatureDoesNotMatch|request signature we calculated|Access ?Denied|(?:401|403) (?:Unauthorized|Forbidden)|no credentials found/i,
  ],
  ['sftp-refused', /Permission denied \(|Host key verification failed|Too many authentication failures/],
  [
    'busy',
    /SlowDown|reduce your request rate|too many requests|50[34] |Client\.Timeout|deadline exceeded|broken pipe|GOAWAY/i,
  ],
  [
    'unreachable',
    /connection refused|no such host|could not resolve|i\/o timeout|network is unreachable|no route to host|connection reset|connection timed out|TLS handshake|x509:|unable to start the sftp session|50[02] |server misbehaving|use of closed network connection|connection lost|client connection force closed/i,
  ],
  [
    'not-found',
    /no matching ID found|no snapshot found|not found in snapshot|snapshot criteria|path .* not found|multiple IDs with prefix/,
  ],
  [
    'no-repository',
    /unable to open config file: .*(?:no such file|not exist|does not exist|404)|specified bucket does not exist/i,
  ],
  ['forbidden', /permission denied|operation not permitted|read-only file system/i],
  [
    'damaged',
    /ciphertext verification failed|invalid data returned|hash does not match|wrong data returned|no such file or directory|file does not exist|key does not exist|not found in (?:index|repository)|unexpected EOF|invalid data length|blob .* not found|failed: id .* not found|decompress|content hash mismatch|wrong hash|(?:Load|ReadFull)\(<[^"]*: EOF$/im,
  ],
];

const EXIT_CODES: Partial<Record<number, Trouble>> = { 10: 'no-repository', 11: 'locked', 12: 'wrong-key' };

const KINDS: Record<Trouble, { readonly code: ErrorCode; readonly says: string; readonly hint: string }> = {
  'wrong-key': {
    code: 'FORBIDDEN',
    says: 'its key does not open it',
    hint: 'Give the password that the repository was made with. The recovery kit has it.',
  },
  locked: {
    code: 'LOCKED',
    says: 'somebody works there',
    hint: 'Wait until that ends. A lock whose process is dead is removed by unlocking the repository.',
  },
  'lock-vanished': {
    code: 'LOCKED',
    says: 'a lock that is listed there cannot be found',
    hint: 'Others come and go there all the time: try again later. Where nobody works there, remove its locks with restic unlock --remove-all.',
  },
  full: {
    code: 'DISK_FULL',
    says: 'no space is left there',
    hint: 'Make room on that disk or raise the quota. What was there before is whole.',
  },
  credentials: {
    code: 'FORBIDDEN',
    says: 'its credentials are refused',
    hint: 'Correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what they may do, in env of the repository.',
  },
  'sftp-refused': {
    code: 'FORBIDDEN',
    says: 'the SFTP server refuses this user',
    hint: 'Check the user, its key, and that the key of the host is known: ssh to it once as the user that runs Steward.',
  },
  forbidden: {
    code: 'FORBIDDEN',
    says: 'this user may not use it',
    hint: 'Give the user that runs Steward access to it.',
  },
  busy: {
    code: 'UNAVAILABLE',
    says: 'it does not keep up',
    hint: 'Try again later. Where that goes on, ask for less at once: uploadLimit, or another hour.',
  },
  unreachable: {
    code: 'UNAVAILABLE',
    says: 'it cannot be reached',
    hint: 'Check the address, the network, that the server runs and, by SFTP, that it takes the key of this user.',
  },
  'no-repository': {
    code: 'UNAVAILABLE',
    says: 'there is no repository at that place',
    hint: 'See that its disk is mounted and its address right. A new place is made a repository first.',
  },
  'not-found': { code: 'NOT_FOUND', says: 'it has no such copy', hint: 'It may have been removed: list the copies.' },
  damaged: {
    code: 'VERIFICATION_FAILED',
    says: 'its data is damaged',
    hint: 'Do not restore from it: take the copy of another repository, and look at the disk it is on.',
  },
  ended: {
    code: 'UNAVAILABLE',
    says: 'restic was ended from outside',
    hint: 'The kernel ends programs where memory runs out: see its log, and give it more or let it do less at once.',
  },
  failed: { code: 'PROGRAM_FAILED', says: 'restic failed', hint: 'What restic said is in the message.' },
};

export class ResticError extends StewardError {
  readonly trouble: Trouble;

  constructor(trouble: Trouble, repository: string, said: string, cause?: unknown) {
    const { code, says, hint } = KINDS[trouble];
    super(code, `The repository ${repository}: ${says} (${shortened(said)}).`, { hint, cause });
    this.trouble = trouble;
  }
}

export function troubleOf(said: string, exitCode: number | null): Trouble {
  const byCode = exitCode === null ? undefined : EXIT_CODES[exitCode];
  return byCode ?? SIGNS.find(([, sign]) => sign.test(said))?.[0] ?? 'failed';
}

/** The lines that carry the reason, without how often it was tried. */
function shortened(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.replace(/^(?:Fatal|error): /i, '').trim())
    .filter((line) => line !== '' && !/^Is there a repository at|^using parent|^the `unlock` command/.test(line));
  const told = lines.filter((line) => !line.includes('returned error, retrying after'));
  return (told.length > 0 ? told : lines).slice(0, 3).join('; ').slice(0, 600) || 'restic said nothing';
}
