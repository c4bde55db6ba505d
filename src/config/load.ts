import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { StewardError, type Problem } from '../core/errors.ts';
import { type ConfigDocument, parseConfigDocument } from './document.ts';
import type { Environment, NamedInput, Override } from './environment.ts';
import { asProblem, type Complaint, complaints } from './explain.ts';
import { readLastGood } from './last-good.ts';
import { Config } from './schema.ts';

const LARGEST_BYTES = 1_048_576;
const MOST_PROBLEMS = 50;

export interface LoadedConfig {
  readonly config: Config;
  readonly file: string;
  /** `last-good` when the file was refused: `problem` says why. */
  readonly source: 'file' | 'defaults' | 'last-good';
  /** What the file said, without defaults and without the environment; {} where there was none. */
  readonly written: unknown;
  /** Where members that are not defaults come from: `server.port` -> `STEWARD_PORT` or `steward.yaml:7:9`. */
  readonly origins: ReadonlyMap<string, string>;
  readonly problem?: StewardError | undefined;
}

export interface ConfigLocation {
  readonly file: string;
  /** Somebody named this very file, so it has to exist. */
  readonly named: boolean;
  /** What is wrong beyond its shape, as far as whoever reads it can know. */
  readonly inspect?: Inspect | undefined;
}

export type Inspect = (config: Config) => readonly Complaint[];

/** `--config` before STEWARD_CONFIG before steward.yaml in the data folder. The working folder is never searched: what runs as root must not obey a file that happens to lie there. */
export function configLocation(environment: Pick<Environment, 'home' | 'configFile'>, option?: string): ConfigLocation {
  const named = option ?? environment.configFile;
  return { file: named ?? join(environment.home, 'steward.yaml'), named: named !== undefined };
}

/** Reads and checks the file; throws CONFIG_INVALID with every problem and its line and column. */
export async function readConfig(
  { file, named, inspect }: ConfigLocation,
  overrides: readonly Override[],
): Promise<LoadedConfig> {
  const text = await readText(file, named);
  return text === undefined
    ? parseConfig('', { file, overrides, source: 'defaults', inspect })
    : parseConfig(text, { file, overrides, inspect });
}

/**
 * The configuration to start with. A broken file does not keep Steward from its work: the last good one comes into
 * force and `problem` says what to correct. Throws CONFIG_INVALID where there is no last good one.
 */
export async function loadConfig(
  location: ConfigLocation,
  { home, overrides }: Pick<Environment, 'home' | 'overrides'>,
): Promise<LoadedConfig> {
  try {
    return await readConfig(location, overrides);
  } catch (thrown) {
    const problem = StewardError.from(thrown);
    const written = problem.code === 'CONFIG_INVALID' ? await readLastGood(home, location.file) : undefined;
    if (written === undefined) throw problem;
    const document = { value: written, position: () => '' };
    const effective = check(
      document,
      // It was good when it came into force; what this version does not have of it is skipped, visibly.
      { file: location.file, overrides, source: 'last-good', inspect: () => [] },
      () => 'last good configuration',
    );
    // A last good copy that this version refuses, or a bad variable, helps nobody: what the file says is the better message.
    if (effective instanceof StewardError) throw problem;
    return { ...effective, problem };
  }
}

/** For `steward config validate`: the same checks, nothing comes into force. */
export async function validateConfigFile(file: string, inspect?: Inspect): Promise<Config> {
  return (await readConfig({ file, named: true, inspect }, [])).config;
}

interface ParseOptions {
  readonly file: string;
  readonly overrides?: readonly Override[];
  readonly source?: LoadedConfig['source'];
  readonly inspect?: Inspect | undefined;
}

export function parseConfig(
  text: string,
  { file, overrides = [], source = 'file', inspect = () => [] }: ParseOptions,
): LoadedConfig {
  const name = basename(file);
  const parsed = parseConfigDocument(text);
  if ('problems' in parsed)
    throw invalid(
      file,
      parsed.problems.map(({ path, message }) => ({ path: `${name}:${path}`, message })),
    );
  const { document } = parsed;
  const loaded = check(
    document,
    { file, overrides, source, inspect },
    (path, key) => `${name}:${document.position(path, key)}`,
  );
  if (loaded instanceof StewardError) throw loaded;
  return loaded;
}

function check(
  document: ConfigDocument,
  { file, overrides, source, inspect }: Required<ParseOptions> & { readonly inspect: Inspect },
  place: ConfigDocument['position'],
): LoadedConfig | StewardError {
  const input = withOverrides(document.value, overrides);
  const result = Config.safeParse(input);
  if (!result.success) {
    const problems = complaints(Config, result.error, input).map((complaint) => {
      const override = overrides.find(({ path }) => path.join('.') === complaint.path.join('.'));
      return asProblem(complaint, override ? override.variable : place(complaint.path, complaint.key));
    });
    return invalid(file, problems);
  }
  const found = inspect(result.data).map((complaint) => asProblem(complaint, place(complaint.path, complaint.key)));
  if (found.length > 0) return invalid(file, found);
  const origins = new Map(leaves(document.value).map((path) => [path.join('.'), place(path)]));
  for (const { path, value, variable } of overrides)
    if (typeof value !== 'object') origins.set(path.join('.'), variable);
  return { config: result.data, file, source, written: document.value, origins };
}

/** Sections that the file has wrong are left for the schema to refuse. */
function withOverrides(written: unknown, overrides: readonly Override[]): unknown {
  // `alerts:` with every member commented out is an empty section, not a mistake.
  const filled = Object.entries(written as Record<string, unknown>).filter(
    ([key, value]) => value !== null || !(key in Config.shape),
  );
  const input: Record<string, unknown> = Object.fromEntries(filled);
  return overrides.reduce<Record<string, unknown>>((input, { path, value }) => placed(input, path, value), input);
}

function placed(
  input: Record<string, unknown>,
  [member = '', ...below]: readonly string[],
  value: Override['value'],
): Record<string, unknown> {
  const current = input[member];
  if (below.length === 0) return { ...input, [member]: Array.isArray(value) ? withNamed(current, value) : value };
  const isSection = current === undefined || (typeof current === 'object' && current && !Array.isArray(current));
  return isSection ? { ...input, [member]: placed({ ...current }, below, value) } : input;
}

function withNamed(current: unknown = [], named: readonly NamedInput[]): unknown {
  if (!Array.isArray(current)) return current;
  const taken = new Set(current.map((each: { readonly name?: unknown } | null) => each?.name));
  return [...current, ...named.filter(({ name }) => !taken.has(name))];
}

function leaves(value: unknown, path: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  if (value === null || typeof value !== 'object') return [path];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.flatMap(([step, member]) => leaves(member, [...path, step]));
}

/** `undefined` where no file is and none was asked for by name. */
async function readText(file: string, named: boolean): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > LARGEST_BYTES) throw refused(file, `has ${size} bytes, and at most ${LARGEST_BYTES} are read`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (thrown) {
    if (thrown instanceof StewardError) throw thrown;
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !named) return undefined;
    throw refused(file, UNREADABLE[code ?? ''] ?? `cannot be read: ${(thrown as Error).message}`, thrown);
  }
}

const UNREADABLE: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be read by the user that runs Steward',
  EPERM: 'may not be read by the user that runs Steward',
  EISDIR: 'is a folder',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'is not valid UTF-8',
};

function refused(file: string, why: string, cause?: unknown): StewardError {
  return new StewardError('CONFIG_INVALID', `${file} ${why}.`, {
    problems: [{ path: basename(file), message: why }],
    hint: `Correct it, then check it with: steward config validate ${file}`,
    cause,
  });
}

function invalid(file: string, problems: readonly Problem[]): StewardError {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return new StewardError('CONFIG_INVALID', `${first?.path}: ${first?.message}${more}`, {
    problems: problems.slice(0, MOST_PROBLEMS),
    hint: `Correct ${file}, then check it with: steward config validate ${file}`,
  });
}
