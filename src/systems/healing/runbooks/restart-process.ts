import { restartLabel, type Runbook } from './runbook.ts';

export const restartProcess: Runbook = {
  name: 'restart-process',
  title: 'Start a process again that nothing supervises',
  policy: 'Only where its owner asked for it by restart: process.',
  automation: 'restart-service',
  matches: ({ symptom }, resource) =>
    (symptom === 'service.down' || symptom === 'process.frozen') &&
    resource.supervisor.kind === 'process' &&
    resource.adoption === 'adopted' &&
    restartLabel(resource) === 'process',
  input: ({ id }) => ({ service: id }),
};
