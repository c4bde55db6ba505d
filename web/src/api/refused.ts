export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** What the server answered instead of what it was asked for. */
export class Refused extends Error {
  override readonly name = 'Refused';
  /** 0 where it could not be reached. */
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  /** Which members of the input are wrong, and why. */
  readonly problems: readonly Problem[];

  constructor(status: number, answer: unknown) {
    const { code, message, hint, problems } = partsOf(status, answer);
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.problems = problems;
  }

  /** The same with what is wrong within this member by its name there: `input.service` is `service`. */
  within(member: string): Refused {
    const inner = this.problems.map(({ path, message }) => ({
      path: path === member ? '' : path.startsWith(`${member}.`) ? path.slice(member.length + 1) : path,
      message,
    }));
    return new Refused(this.status, {
      error: { code: this.code, message: this.message, hint: this.hint, problems: inner },
    });
  }
}

function partsOf(
  status: number,
  answer: unknown,
): { code: string; message: string; hint: string | undefined; problems: readonly Problem[] } {
  const error = (answer as { error?: Partial<Record<'code' | 'message' | 'hint', string>> & { problems?: Problem[] } })
    ?.error;
  return {
    code: error?.code ?? 'UNAVAILABLE',
    message: error?.message ?? (status === 0 ? 'Steward cannot be reached.' : `The server answered ${status}.`),
    hint: error?.hint,
    problems: error?.problems ?? [],
  };
}

/** What a person reads: what was wrong, and what to do next. */
export function wordsOf(thrown: unknown): string {
  if (thrown instanceof Refused) return [thrown.message, thrown.hint].filter(Boolean).join(' ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}
