export interface SourceFile {
  /** From the root of the checkout, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Rule {
  readonly name: string;
  check(files: readonly SourceFile[]): Finding[];
}

const COMMENT = /^\s*(\/\/|\*|\/\*)/;

/** A rule that looks at one line of code at a time; comment lines are passed over, tests where asked. */
export function lineRule(
  name: string,
  options: { in: RegExp; except?: RegExp; pattern: RegExp; message: string },
): Rule {
  return {
    name,
    check: (files) =>
      files
        .filter(({ path }) => options.in.test(path) && !(options.except?.test(path) ?? false))
        .flatMap(({ path, text }) =>
          text
            .split('\n')
            .flatMap((line, index) =>
              !COMMENT.test(line) && options.pattern.test(line)
                ? [{ path, line: index + 1, message: options.message }]
                : [],
            ),
        ),
  };
}

export const TESTS = /\.(test|contract)\.ts$|^src\/testing\/|^test\//;
