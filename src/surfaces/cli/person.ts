import type { Command } from 'commander';

// A type, not an interface: commander's options are an open record.
export type PersonFlags = {
  readonly name?: string;
  readonly passwordFile?: string;
  readonly code?: string;
};

/** Who approves, where a token is not enough. The password itself is no option: others could read it from the list of processes. */
export function addPerson(command: Command): void {
  command
    .option('--name <name>', 'How you sign in; asked for where it is needed.')
    .option('--password-file <file>', 'Where your password stands, - for what is piped in; without it you are asked.')
    .option('--code <code>', 'Of your authenticator app, where one is enrolled.');
}
