import type { ReportScore, Stretch } from '../../core/ports/history.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import { reportAgents } from './agents.ts';
import type { ReportsDeps } from './deps.ts';
import { keepReport } from './keep.ts';
import { agentOperations } from './operations-agents.ts';
import { reportOperations } from './operations.ts';
import { reportKinds } from './report-kinds.ts';
import { scoresOf } from './trend.ts';
import { reportsUpkeep } from './upkeep.ts';

export { reportsMigrations } from './tables.ts';

export interface Reports extends System {
  /** How the reports of this time turned out, the oldest first. */
  scores(stretch: Stretch): Promise<ReportScore[]>;
}

/** Keeps what was found out about the health of machines and agents, for people: in the store, and as files. */
export function createReports(deps: ReportsDeps): Reports {
  const { store, node } = deps;
  const kinds = reportKinds(deps.render);
  let consumer: EventConsumer | undefined;
  return {
    name: 'reports',
    operations: [...kinds.flatMap((kind) => reportOperations(kind, store)), ...agentOperations(store)],
    scores: (stretch) => scoresOf(store.db, stretch),
    jobs: [
      {
        name: 'agent-monitoring',
        summary: 'Reports how each AI agent is: its state, its response times, its restarts.',
        schedule: { every: '5m', overlap: 'skip', catchUp: 'skip' },
        async run() {
          await reportAgents(deps);
        },
      },
      reportsUpkeep(deps, kinds),
    ],
    async start() {
      consumer = store.events.consume({
        consumer: `reports:${node.name}`,
        types: ['run.finished'],
        async handle(event) {
          await keepReport(event, kinds, deps);
        },
      });
    },
    async stop() {
      await consumer?.stop();
    },
  };
}
