import type { Terminal } from '../surfaces/cli/terminal.ts';
import type { Fault } from './fault.ts';
import { evidenceOf, outcomeText, type FaultReport } from './report.ts';

/** What a person sees while it goes on: a line for each thing that is over, and on a terminal one that tells what runs. */
export interface Progress {
  say(what: string): void;
  begins(fault: Fault): void;
  ends(report: FaultReport): void;
  done(): void;
}

export function createProgress(out: Terminal): Progress {
  const began = performance.now();
  const running = new Set<string>();
  let shown = false;
  let doing = '';
  const clock = (): string => `${Math.round((performance.now() - began) / 1_000)} s`.padStart(6);
  const clear = (): void => {
    if (shown) out.write('\r\u{1b}[K');
    shown = false;
  };
  const line = (text: string): void => {
    clear();
    out.write(`${clock()}  ${text}\n`);
    draw();
  };
  const draw = (): void => {
    if (out.isTTY !== true) return;
    clear();
    const text = running.size > 0 ? `waits for ${[...running].join(', ')}` : `${doing} ...`;
    out.write(`${clock()}  ${text}`.slice(0, (out.columns ?? 80) - 1));
    shown = true;
  };
  const timer = out.isTTY === true ? setInterval(draw, 1_000) : undefined;
  timer?.unref();
  return {
    say(what) {
      doing = what;
      line(what);
    },
    begins({ name, title }) {
      running.add(name);
      line(`${name}: ${title}`);
    },
    ends(report) {
      running.delete(report.name);
      line(`${report.name}: ${outcomeText(report)}${report.outcome === 'missed' ? `: ${evidenceOf(report)}` : ''}`);
    },
    done() {
      clearInterval(timer);
      clear();
    },
  };
}
