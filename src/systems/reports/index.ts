import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import { reportAgents } from './agents.ts';
import type { ReportsDeps } from './deps.ts';
import { keepHealthReport } from './health.ts';
import { reportsOperations } from './operations.ts';
import { reportsUpkeep } from './upkeep.ts';

export { reportsMigrations } from './tables.ts';

/** Keeps what was found out about the health of machines and agents, for people: in the store, and as files. */
export function createReports(deps: ReportsDeps): System {
  const { store, node } = deps;
  let consumer: EventConsumer | undefined;
  return {
    name: 'reports',
    operations: reportsOperations(deps),
    jobs: [
      {
        name: 'agent-monitoring',
        summary: 'Reports how each AI agent is: its state, its response times, its restarts.',
        schedule: { every: '5m', overlap: 'skip', catchUp: 'skip' },
        async run() {
          await reportAgents(deps);
        },
      },
      reportsUpkeep(deps),
    ],
    async start() {
      consumer = store.events.consume({
        consumer: `reports:${node.name}`,
        types: ['run.finished'],
        async handle(event) {
          await keepHealthReport(event, deps);
        },
      });
    },
    async stop() {
      await consumer?.stop();
    },
  };
}
