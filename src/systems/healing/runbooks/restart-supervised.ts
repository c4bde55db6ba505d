import { restartLabel, type Runbook } from './runbook.ts';

export const restartSupervised: Runbook = {
  name: 'restart-supervised',
  title: 'Restart what systemd or Docker keeps running',
  policy:
    'A restart under a known supervisor is routine, within the budget. Not where the configuration says restart: never.',
  automation: 'restart-service',
  matches: ({ symptom }, resource) =>
    (symptom === 'service.down' || symptom === 'process.frozen') &&
    (resource.supervisor.kind === 'systemd' || resource.supervisor.kind === 'docker') &&
    resource.adoption === 'adopted' &&
    restartLabel(resource) !== 'never',
  input: ({ id }) => ({ service: id }),
};
