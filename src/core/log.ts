import type { Json } from './json.ts';

type Fields = { readonly [key: string]: Json | undefined };

/** Messages are constants, values are fields. */
export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
}
