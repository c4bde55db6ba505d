import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import { StewardError } from '../../core/errors.ts';
import type { ProcessesPort, ProcessInfo } from '../../core/ports/processes.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import type { Resource } from '../../core/resource.ts';
import { naming } from '../../core/naming.ts';

/** Stopped by a signal. One that a debugger holds is t, and that is somebody's work. */
const STOPPED = 'T';
const LOOK_EVERY_MS = 50;
const WAKES_WITHIN_MS = 2_000;

export default defineAutomation({
  name: 'resume-process',
  version: 1,
  title: 'Resume a stopped process',
  summary: 'Lets the processes of a service go on that a signal stopped, with all that they hold in memory.',
  category: 'healing',
  effect: 'write',
  priority: 'P1',
  ifMissed: 'a service that was stopped by a signal stays silent, or is restarted and loses what it holds in memory',
  load: 'light',
  needs: ['inventory', 'processes', 'recipes'],
  input: z.object({ service: naming('service', z.string().min(1).describe('Name or id of the service.')) }),
  output: z.object({
    service: z.string(),
    resumed: z.array(z.object({ pid: z.number().int(), program: z.string() })),
  }),
  examples: [{ title: 'A web server that somebody stopped with a signal', input: { service: 'nginx' } }],
  safeguards: { timeout: '30s', retry: { attempts: 3, backoff: '1s' } },

  target: ({ service }, inventory) => inventory.resolve(service),

  async analyze({ input, ports }) {
    const resource = await ports.inventory.resolve(input.service);
    if (!resource) {
      throw new StewardError('NOT_FOUND', `Steward knows no service '${input.service}'.`, {
        hint: 'See `steward services` for the names.',
      });
    }
    const own = await processesOf(resource, ports);
    return {
      resource: { id: resource.id, name: resource.name, adoption: resource.adoption },
      processes: own.length,
      stopped: own.filter(({ state }) => state === STOPPED).map(described),
    };
  },

  async validate(_ctx, { resource, processes }) {
    return [
      {
        name: `${resource.name} may be acted on`,
        ok: resource.adoption === 'adopted',
        evidence: { adoption: resource.adoption, hint: 'Adopt it first: it was found where others may own it.' },
      },
      {
        name: `The processes of ${resource.name} are known`,
        ok: processes > 0,
        evidence: { processes, hint: 'None runs for it on this machine. If it is down, restart it.' },
      },
    ];
  },

  async plan(_ctx, { stopped }) {
    return stopped.map((process) => ({
      id: `resume-${process.pid}-${process.startTicks}`,
      title: `Wake process ${process.pid} (${process.program})`,
      undo: 'none' as const,
    }));
  },

  async execute({ ports }, change, { facts }) {
    const process = facts.stopped.find(({ pid, startTicks }) => change.id === `resume-${pid}-${startTicks}`);
    const now = process && (await ports.processes.get(process.pid));
    // Somebody woke it, or it ended; a number alone is never signaled.
    if (!process || !now || !isSame(process, now) || now.state !== STOPPED) return { resumed: false };
    return { resumed: await ports.processes.signal(process, 'SIGCONT') };
  },

  async verify({ ports, signal }, { facts }) {
    const deadline = WAKES_WITHIN_MS / LOOK_EVERY_MS;
    let left: ProcessInfo[] = [];
    for (let look = 0; look <= deadline; look += 1) {
      const now = await Promise.all(facts.stopped.map(({ pid }) => ports.processes.get(pid)));
      left = now.filter(
        (process, index): process is ProcessInfo =>
          process?.state === STOPPED && isSame(facts.stopped[index] as ProcessIdentity, process),
      );
      if (left.length === 0) break;
      await sleep(LOOK_EVERY_MS, undefined, { signal });
    }
    return [
      {
        name: `No process of ${facts.resource.name} is stopped any more`,
        ok: left.length === 0,
        evidence: {
          stopped: left.map(({ pid }) => pid),
          ...(left.length > 0 && { hint: 'Something stops it again: see who sends it SIGSTOP or SIGTSTP.' }),
        },
      },
    ];
  },

  record({ facts, applied }) {
    const woken = new Set(applied.flatMap(({ change, receipt }) => (receipt.resumed ? [change.id] : [])));
    return {
      service: facts.resource.name,
      resumed: facts.stopped
        .filter(({ pid, startTicks }) => woken.has(`resume-${pid}-${startTicks}`))
        .map(({ pid, program }) => ({ pid, program })),
    };
  },
});

/** Of its unit, of its container, or of itself; a program that merely looks alike is another one. */
async function processesOf(
  { id, supervisor, pids }: Resource,
  {
    processes,
    recipes,
  }: { processes: ProcessesPort; recipes: { running(id: string): Promise<readonly ProcessIdentity[]> } },
): Promise<ProcessInfo[]> {
  const all = await processes.list();
  switch (supervisor.kind) {
    case 'systemd':
      return all.filter(
        ({ unit, unitScope }) => unit === supervisor.unit && (unitScope ?? 'system') === supervisor.scope,
      );
    case 'docker':
      return all.filter(({ container }) => container === supervisor.container);
    case 'process': {
      const running = await recipes.running(id);
      return all.filter((process) => running.some((known) => isSame(known, process)));
    }
    case 'foreign':
    case 'none':
      return all.filter(({ pid }) => pids.includes(pid));
  }
}

function isSame(process: ProcessIdentity, now: ProcessIdentity): boolean {
  return process.pid === now.pid && process.startTicks === now.startTicks && process.bootId === now.bootId;
}

function described({ pid, startTicks, bootId, executable, startedAt }: ProcessInfo) {
  return { pid, startTicks, bootId, program: executable, startedAt: startedAt.toISOString() };
}
