import type { JsonObject } from '../../core/json.ts';
import type { AppName, Recognition } from '../../core/recognizer.ts';
import type { Signature } from './identity.ts';

/** A port as it was looked at, and for which process that holds. */
export interface Look {
  readonly process: string;
  readonly recognition: Recognition;
  /** Its process had long started: silence is its answer. */
  readonly settled: boolean;
  /** When it was looked at. */
  readonly at?: string | undefined;
}

/** What discovery keeps with a resource to know it again and to leave its ports alone. */
export interface Trace {
  readonly base: string;
  readonly signature: Signature | undefined;
  /** pid and start time: the same process, beyond doubt. */
  readonly process: string | undefined;
  readonly looks: Readonly<Record<string, Look>>;
  readonly app: AppName | undefined;
  readonly programVersion: string | undefined;
  readonly automaticName: boolean;
  /** The configuration says to leave it alone. */
  readonly ignored: boolean;
}

export function toTrace(stored: JsonObject): Trace {
  const trace = stored as unknown as Partial<Trace>;
  return {
    base: trace.base ?? '',
    signature: trace.signature,
    process: trace.process,
    looks: trace.looks ?? {},
    app: trace.app,
    programVersion: trace.programVersion,
    automaticName: trace.automaticName ?? true,
    ignored: trace.ignored ?? false,
  };
}

export function fromTrace(trace: Trace): JsonObject {
  return trace as unknown as JsonObject;
}
