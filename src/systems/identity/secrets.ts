import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { StewardError } from '../../core/errors.ts';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const TOKEN = /^stw_([0-9A-Za-z]{5,16})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;

/** 32 characters carry 190 bits. */
export function randomText(length: number): string {
  let text = '';
  while (text.length < length) {
    // 248 is the largest multiple of 62 in a byte; what lies above would favor some characters.
    for (const byte of randomBytes(length)) if (byte < 248 && text.length < length) text += ALPHABET[byte % 62];
  }
  return text;
}

/** Fit for secrets that are random themselves: nothing slower is needed against guessing. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

export function sameSecret(one: string, other: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(one)), Buffer.from(hashSecret(other)));
}

/** `stw_<id>_<secret><checksum>`: scanners recognize it, and a mistyped one is refused without a look at the database. */
export function newToken(id: string): string {
  const open = `stw_${id}_${randomText(32)}`;
  return open + checksum(open);
}

/** The token's id, where the text is a token at all. */
export function tokenId(text: string): string | undefined {
  const match = TOKEN.exec(text);
  return match && checksum(text.slice(0, -6)) === match[3] ? match[1] : undefined;
}

function checksum(text: string): string {
  let rest = crc32(text);
  let encoded = '';
  for (let digit = 0; digit < 6; digit++) {
    encoded = ALPHABET[rest % 62] + encoded;
    rest = Math.floor(rest / 62);
  }
  return encoded;
}

const SCRYPT = { N: 2 ** 15, r: 8, p: 3 };

/** `scrypt$N$r$p$salt$hash`: the parameters stand with it, so they can rise without locking anyone out. */
export async function hashPassword(password: string, cost = SCRYPT): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, cost);
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64'), hash.toString('base64')].join('$');
}

/** Takes as long where there is no such user, so that names cannot be found out by the clock. */
export async function isPassword(password: string, stored: string | null | undefined): Promise<boolean> {
  const [scheme, N, r, p, salt = '', hash = ''] = stored?.split('$') ?? [];
  if (scheme !== 'scrypt') {
    await derive(password, Buffer.alloc(16), SCRYPT);
    return false;
  }
  const expected = Buffer.from(hash, 'base64');
  const actual = await derive(password, Buffer.from(salt, 'base64'), { N: Number(N), r: Number(r), p: Number(p) });
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** Each takes 32 MB and a core for a while: more at once would slow everything, for nobody's good. */
const AT_ONCE = 2;
const IN_LINE = 40;
const line: (() => void)[] = [];
let busy = 0;

async function derive(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  if (busy >= AT_ONCE) {
    if (line.length >= IN_LINE)
      throw new StewardError('RATE_LIMITED', 'Too many passwords are being checked.', {
        hint: 'Try again in a minute.',
      });
    await new Promise<void>((done) => line.push(done));
  } else busy += 1;
  try {
    return await scrypted(password, salt, cost);
  } finally {
    // Whoever waits takes over the place.
    const next = line.shift();
    if (next) next();
    else busy -= 1;
  }
}

function scrypted(password: string, salt: Buffer, cost: { N: number; r: number; p: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    // One spelling of letters with accents, whatever keyboard they come from.
    scrypt(password.normalize('NFKC'), salt, 32, { ...cost, maxmem: 256 * cost.N * cost.r }, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}
