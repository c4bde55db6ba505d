import { setTimeout as sleep } from 'node:timers/promises';
import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { ProgramResult, ProgramsPort } from '../../core/ports/programs.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type IcmpTarget = TargetOf<'icmp'>;

/** Between two packets; what anybody may ask for without being root. */
const GAP_MS = 200;
const GRACE_MS = 2_000;
const START_GAP_MS = 30;

/** Asks the `ping` program, which may send what a plain process may not. */
export function createIcmpProbe(programs: ProgramsPort) {
  let lastStart: Promise<void> = Promise.resolve();

  /** The process stands still while it starts a program, so that many are not started at one instant. */
  async function turnToStart(): Promise<void> {
    const before = lastStart;
    lastStart = before.then(() => sleep(START_GAP_MS));
    await before;
  }

  return async (target: IcmpTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const startedAt = performance.now();
    const sendingMs = (target.count - 1) * GAP_MS;
    const waitMs = Math.max(100, options.timeoutMs - sendingMs);
    let result: ProgramResult;
    await turnToStart();
    try {
      result = await programs.run({
        program: 'ping',
        args: [
          ...(target.family ? [`-${target.family}`] : []),
          '-n',
          '-q',
          '-c',
          String(target.count),
          '-i',
          String(GAP_MS / 1_000),
          '-W',
          String(waitMs / 1_000),
          target.host,
        ],
        env: { LC_ALL: 'C' },
        timeoutMs: options.timeoutMs + GRACE_MS,
        outputLimit: 16 * 1024,
        signal: options.signal,
      });
    } catch (thrown) {
      return unable(StewardError.from(thrown), options, startedAt);
    }
    return judgePing(result, target, options, startedAt);
  };
}

function unable(error: StewardError, { timeoutMs }: ProbeOptions, startedAt: number): ProbeResult {
  if (error.code === 'NOT_FOUND')
    return saw(
      'unknown',
      'presence',
      'the program ping is missing on this node; install iputils-ping (Debian) or iputils',
      startedAt,
    );
  if (error.code === 'TIMEOUT')
    return saw('down', 'presence', `no answer within ${timeoutMs} ms`, startedAt, { code: 'TIMEOUT' });
  if (error.code === 'CANCELED') return saw('unknown', 'presence', 'the probe was canceled', startedAt);
  return saw('unknown', 'presence', `ping could not be run: ${error.message}`, startedAt);
}

const OWN_TROUBLE =
  /not permitted|permission denied|lacking privilege|network is unreachable|temporary failure in name|cannot assign requested|address family/i;
const NO_NAME = /name or service not known|unknown host|no address associated|bad address/i;

/** What ping of iputils or busybox printed, as a result. */
export function judgePing(
  { stdout, stderr }: Pick<ProgramResult, 'stdout' | 'stderr'>,
  target: IcmpTarget,
  options: ProbeOptions,
  startedAt: number,
): ProbeResult {
  const counts = /(\d+) packets transmitted, (\d+) (?:packets )?received/.exec(stdout);
  const said = peerText(`${stderr} ${stdout}`.trim(), 160);
  if (!counts || counts[1] === '0') {
    if (NO_NAME.test(said))
      return saw('down', 'presence', 'the host name does not exist', startedAt, { code: 'ENOTFOUND' });
    return saw(
      'unknown',
      'presence',
      OWN_TROUBLE.test(said) ? `this machine cannot ping there: ${said}` : `ping gave no figures: ${said}`,
      startedAt,
    );
  }
  const [sent, received] = [Number(counts[1]), Number(counts[2])];
  const lossPercent = Math.round((1 - received / sent) * 1_000) / 10;
  const times = /= ([\d.]+)\/([\d.]+)\/([\d.]+)/.exec(stdout);
  const averageMs = times ? Number(times[2]) : null;
  const detail = { sent, received, lossPercent, averageMs, maxMs: times ? Number(times[3]) : null };
  if (received === 0) {
    if (/network is unreachable/i.test(stderr))
      return saw('unknown', 'presence', 'this machine has no route to the network', startedAt, detail);
    return saw('down', 'presence', `none of ${sent} packets was answered`, startedAt, { ...detail, code: 'TIMEOUT' });
  }
  const latencyMs = averageMs ?? 0;
  const message = `${received} of ${sent} packets answered${averageMs === null ? '' : `, ${averageMs} ms on average`}`;
  if (lossPercent > target.maxLoss)
    return { ...saw('degraded', 'query', `${lossPercent} % lost: ${message}`, startedAt, detail), latencyMs };
  // The time of the packets counts, not that of the program.
  return latencyMs > options.slowMs
    ? { ...saw('degraded', 'query', `slow: ${message}`, startedAt, detail), latencyMs }
    : { ...answered('query', message, startedAt, { ...options, slowMs: Infinity }, detail), latencyMs };
}
