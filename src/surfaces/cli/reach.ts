import { StewardError } from '../../core/errors.ts';
import type { CliOptions } from './cli-options.ts';
import { findServer, type Server } from './client.ts';
import type { Flags } from './command-tree.ts';

type Place = Pick<CliOptions, 'home' | 'env'>;

/** Which server is meant: flags before the environment. */
export function chosen(flags: Flags, { env }: Place): { url: string | undefined; token: string | undefined } {
  return { url: flags.url ?? env['STEWARD_URL'], token: flags.token ?? env['STEWARD_TOKEN'] };
}

export function noServer({ home }: Place): StewardError {
  return new StewardError('UNAVAILABLE', `No Steward runs from ${home}.`, {
    hint: 'Start it with npm start, or name another with --url and --token.',
  });
}

/** UNAVAILABLE where none runs. */
export async function serverFor(flags: Flags, place: Place): Promise<Server> {
  const server = await findServer(place.home, chosen(flags, place));
  if (!server) throw noServer(place);
  return server;
}
