import { StewardError } from '../../core/errors.ts';
import { fileNameOf, fileStamp } from '../../core/exports.ts';
import { isAgent } from '../../core/health-report.ts';
import type { Resource } from '../../core/resource.ts';
import type { ReportsDeps } from './deps.ts';
import type { AgentState, ReportsTables } from './tables.ts';

const DAY_MS = 86_400_000;

/** Looks at every AI agent of this node by what is stored of it, keeps its state and writes the files. */
export async function reportAgents(deps: ReportsDeps): Promise<readonly AgentState[]> {
  const { inventory, monitor, node, now } = deps;
  const at = now();
  const agents = (await inventory.find({ kind: 'service', node: node.id, state: 'present' })).filter(isAgent);
  if (agents.length === 0) return [];
  const ids = agents.map(({ id }) => id);
  const since = new Date(at.getTime() - DAY_MS);
  const [statuses, times, up, restarts] = await Promise.all([
    monitor.all(),
    deps.responseTimes(ids, since),
    deps.uptimes(since),
    deps.restarts(ids, since),
  ]);
  const states = agents.map((agent): AgentState => {
    const status = statuses.find(({ resourceId }) => resourceId === agent.id);
    const looks = (status?.checks ?? []).flatMap((check) => (check.at ? [check.at.getTime()] : []));
    return {
      agent: agent.name,
      resourceId: agent.id,
      state: status?.state ?? 'pending',
      since: status?.since.toISOString(),
      uptimePercent: up.get(agent.id),
      responseMs: times.get(agent.id),
      restarts: restarts.get(agent.id) ?? { succeeded: 0, failed: 0 },
      consecutiveFailures: status?.consecutiveFailures ?? 0,
      lastCheckedAt: looks.length > 0 ? new Date(Math.max(...looks)).toISOString() : undefined,
    };
  });
  await keep(states, at, deps);
  for (const [index, state] of states.entries()) await tell(state, agents[index], deps);
  await writeFiles(states, at, deps);
  return states;
}

async function keep(states: readonly AgentState[], at: Date, { store, node }: ReportsDeps): Promise<void> {
  await store.db
    .withTables<ReportsTables>()
    .insertInto('agent_states')
    .values(
      states.map((state) => ({
        resource_id: state.resourceId,
        node: node.id,
        name: state.agent,
        at,
        state: JSON.stringify(state),
      })),
    )
    .onConflict((conflict) =>
      conflict.column('resource_id').doUpdateSet((excluded) => ({
        node: excluded.ref('excluded.node'),
        name: excluded.ref('excluded.name'),
        at: excluded.ref('excluded.at'),
        state: excluded.ref('excluded.state'),
      })),
    )
    .execute();
}

/** Restarting helps as a rule; where it fails again and again somebody has to look. */
async function tell(
  { agent, restarts, state }: AgentState,
  resource: Resource | undefined,
  { incidents, settings }: ReportsDeps,
): Promise<void> {
  const fingerprint = `agent.restarts-failing:${resource?.id ?? agent}`;
  if (restarts.failed >= settings().agentRestartFailures) {
    await incidents.open({
      fingerprint,
      resourceId: resource?.id,
      title: `Restarting the agent ${agent} failed ${restarts.failed} times within a day`,
      symptom: 'agent.restarts-failing',
      severity: 'critical',
      evidence: { restarts: { ...restarts }, state },
    });
    return;
  }
  const open = await incidents.byFingerprint(fingerprint);
  if (open && open.status !== 'resolved')
    await incidents.resolve(open.id, `${agent} had ${restarts.failed} failed restarts within the last day.`);
}

async function writeFiles(
  states: readonly AgentState[],
  at: Date,
  { exports: files, node, log }: ReportsDeps,
): Promise<void> {
  try {
    for (const state of states) {
      const name = `${fileNameOf(state.agent, state.resourceId)}.json`;
      await files.write('data/agent-monitor', name, `${JSON.stringify({ at: at.toISOString(), ...state }, null, 2)}\n`);
    }
    const report = { at: at.toISOString(), node: node.name, agents: states };
    await files.write('logs', `agent_monitoring_report_${fileStamp(at)}.json`, `${JSON.stringify(report, null, 2)}\n`);
  } catch (thrown) {
    log.warn('files about agents not written', { reason: StewardError.from(thrown).message });
  }
}
