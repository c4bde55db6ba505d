import { open } from 'node:fs/promises';
import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { canonicalJson } from '../../core/json.ts';
import { chainOf, GENESIS, recordHash, sameHash } from './chain.ts';
import type { AuditProblem } from './verify.ts';

const Line = z.object({
  chain: z.string(),
  seq: z.number().int(),
  at: z.iso.datetime({ precision: 3 }),
  prevHash: z.string(),
  hash: z.string(),
  entry: z.record(z.string(), z.unknown()),
});
type Line = z.output<typeof Line>;

export interface FileReport {
  readonly ok: boolean;
  readonly file: string;
  readonly chain: string;
  /** Records of this key's chain. */
  readonly records: number;
  /** The stretch of the chain that the file holds: what was before and after it is not in there. */
  readonly first?: number | undefined;
  readonly last?: number | undefined;
  readonly others: readonly { readonly chain: string; readonly records: number }[];
  readonly problem?: z.output<typeof AuditProblem> | undefined;
}

/** Verifies an export without any store: each record by the key, and that none is missing between the first and the last. */
export async function verifyFile(file: string, key: Buffer): Promise<FileReport> {
  const chain = chainOf(key);
  const others = new Map<string, number>();
  let records = 0;
  let first: number | undefined;
  let last: { seq: number; hash: string } | undefined;
  let problem: FileReport['problem'];
  let number = 0;
  const handle = await open(file).catch((cause: unknown) => {
    throw new StewardError('NOT_FOUND', `${file} cannot be read: ${(cause as Error).message}`, {
      hint: 'Check the path.',
      cause,
    });
  });
  for await (const text of handle.readLines()) {
    number += 1;
    if (text === '') continue;
    const line = read(text, file, number);
    if (line.chain !== chain) {
      others.set(line.chain, (others.get(line.chain) ?? 0) + 1);
      continue;
    }
    records += 1;
    first ??= line.seq;
    problem ??= wrongWith(key, line, last);
    last = line;
  }
  if (records === 0 && others.size > 0) {
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${file} holds chains of other keys only: ${[...others.keys()].join(', ')}.`,
      { hint: 'Give the key of the node that wrote it: --key FILE, the audit.key of its home.' },
    );
  }
  return {
    ok: problem === undefined,
    file,
    chain,
    records,
    ...(first !== undefined && { first }),
    ...(last && { last: last.seq }),
    others: [...others].map(([name, count]) => ({ chain: name, records: count })),
    ...(problem && { problem }),
  };
}

function read(text: string, file: string, number: number): Line {
  try {
    return Line.parse(JSON.parse(text));
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', `Line ${number} of ${file} is no record of an export.`, {
      hint: 'Only JSONL can be verified: steward audit export --format jsonl.',
      cause,
    });
  }
}

function wrongWith(key: Buffer, line: Line, last: { seq: number; hash: string } | undefined): FileReport['problem'] {
  const { seq } = line;
  const record = { ...line, at: new Date(line.at), entry: canonicalJson(line.entry) };
  if (!sameHash(line.hash, recordHash(key, record)))
    return { kind: 'edited', seq, message: `Record ${seq} is not what was written.` };
  if (last === undefined) {
    return seq === 1 && line.prevHash !== GENESIS
      ? { kind: 'edited', seq, message: 'Record 1 is not the beginning of its chain.' }
      : undefined;
  }
  if (seq > last.seq + 1)
    return {
      kind: 'removed',
      seq: last.seq + 1,
      message: `Record ${last.seq + 1} is missing: after ${last.seq} comes ${seq}.`,
    };
  if (seq <= last.seq) return { kind: 'reordered', seq, message: `Record ${seq} stands behind record ${last.seq}.` };
  return sameHash(line.prevHash, last.hash)
    ? undefined
    : {
        kind: 'edited',
        seq: last.seq,
        message: `Record ${last.seq} is not the one that record ${seq} was written after.`,
      };
}
